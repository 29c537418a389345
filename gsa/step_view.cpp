#include "gsa/step_view.h"

namespace unfold::gsa {

bool set_spans(std::vector<CacheSpan> spans, StepView& view) {
  normalise(spans);
  if (spans.size() > static_cast<std::size_t>(kStepSpans)) return false;
  view.spans = 0;
  view.keys = 0;
  for (const CacheSpan& span : spans) {
    view.span[view.spans++] = {span.section, span.begin, span.end, view.keys};
    view.keys += span.end - span.begin;
  }
  return true;
}

}  // namespace unfold::gsa
