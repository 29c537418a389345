#include "core/comm/agreement.h"

#include <algorithm>
#include <string_view>

#include "core/checksum.h"

namespace unfold::core {
namespace {

// Texts as one: each with its length in front.
std::string pack(const std::vector<Agreed>& all) {
  std::string bytes;
  for (const Agreed& each : all) {
    bytes += fmt::format("{}:", each.text.size());
    bytes += each.text;
  }
  return bytes;
}

// The next text of a pack; empty when there is none.
std::string unpack(std::string_view& bytes) {
  std::size_t size = 0;
  std::size_t at = 0;
  while (at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9' && at < 18) {
    size = size * 10 + static_cast<std::size_t>(bytes[at++] - '0');
  }
  if (at >= bytes.size() || bytes[at] != ':') return "";
  std::string text(bytes.substr(at + 1, size));
  bytes.remove_prefix(at + 1 + text.size());
  return text;
}

std::string difference_of(const std::vector<Agreed>& all, const std::vector<std::string>& packs) {
  for (std::size_t rank = 1; rank < packs.size(); ++rank) {
    if (packs[rank] == packs[0]) continue;
    std::string_view bytes = packs[rank];
    for (const Agreed& each : all) {
      const std::string other = unpack(bytes);
      if (other == each.text) continue;
      return fmt::format("{} of rank {} differs from that of rank 0: {} at rank 0: {}", each.what,
                         rank, first_difference(other, each.text), each.advice);
    }
    return fmt::format(
        "rank {} compares other things than rank 0: start the same program on all "
        "hosts",
        rank);
  }
  return "";
}

std::string line_at(std::string_view text, std::size_t at) {
  constexpr std::size_t kMost = 100;
  if (at > text.size()) return "";
  std::size_t begin = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  begin = begin == std::string_view::npos ? 0 : begin + 1;
  std::string_view line = text.substr(begin, text.find('\n', at) - begin);
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return line.size() <= kMost ? std::string(line) : std::string(line.substr(0, kMost)) + "...";
}

}  // namespace

std::string first_difference(const std::string& left, const std::string& right) {
  std::size_t at = 0;
  while (at < left.size() && at < right.size() && left[at] == right[at]) ++at;
  // Where one text ends and the other has further lines, those differ, not the last common one.
  const std::string& longer = left.size() > right.size() ? left : right;
  const bool ends = at == std::min(left.size(), right.size());
  if (ends && at < longer.size() && longer[at] == '\n') ++at;
  return fmt::format("'{}' and '{}'", line_at(left, at), line_at(right, at));
}

void require_agreement(Communicator& world, const std::vector<Agreed>& all) {
  const std::vector<std::string> packs = world.gather(pack(all));
  const std::string difference =
      world.broadcast(world.is_root() ? difference_of(all, packs) : std::string(), 0);
  require(difference.empty(), "ranks", "{}", difference);
}

std::string program_fingerprint() {
  const FileChecksum sum = checksum_file("/proc/self/exe");
  return fmt::format("{} bytes, CRC-32C {:08x}", sum.bytes, sum.crc32c);
}

}  // namespace unfold::core
