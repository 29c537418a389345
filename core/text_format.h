// Quantities as people read them: durations, counts, bytes. Values that are not finite give "-".
#pragma once

#include <cstdint>
#include <string>

namespace unfold::core {

// Seconds as "0:07", "1:23", "1:02:03" or "2d 03:04:05"; negative gives "-".
std::string format_duration(double seconds);

// Decimal prefixes, three digits at most: 7 "7", 999 "999", 1234 "1.2k", 123456 "123k", 1.2e6
// "1.2M". Values below 10 that are not whole keep two digits: 0.53 "0.53", 5.31 "5.3".
std::string format_count(double value);

// Binary prefixes: 512 "512 B", 1536 "1.5 KiB", 3 * 2^30 "3.0 GiB".
std::string format_bytes(double bytes);

}  // namespace unfold::core
