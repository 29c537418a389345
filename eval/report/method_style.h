// The look and the order of methods: the same in every table and plot, of every report.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "eval/report/svg_marker.h"

namespace unfold::eval {

// Methods in the order of reports, "full" first: what the others are measured against, drawn in
// the neutral colour. Every other known method has a colour and a marker of its own.
class MethodPalette {
 public:
  // Names that are not known follow the known ones, in order of appearance.
  explicit MethodPalette(const std::vector<std::string>& names = {});

  std::size_t rank(std::string_view method) const;
  int color(std::string_view method) const;  // a colour class of svg_plot.h
  Marker marker(std::string_view method) const;

 private:
  std::map<std::string, std::size_t, std::less<>> rank_;
};

// Whether the method reads everything, whatever the ratio.
bool reads_everything(std::string_view method);

// Whether what `method` did at `ratio` belongs beside the compression `shown`: all that compresses
// as much, and what does not compress.
bool belongs_to_ratio(std::string_view method, double ratio, double shown);

// What significance is judged against: "gsa" where it is among the names, else "h_gsa", else "".
std::string reference_method(const std::vector<std::string>& names);

}  // namespace unfold::eval
