#include "eval/report/unfold_page.h"

#include <fmt/core.h>

#include <cstddef>

#include "core/text_format.h"
#include "eval/report/html.h"
#include "eval/report/page_style.h"

namespace unfold::eval {
namespace {

// The heat is an amber laid over the card, so that it works on light and dark ground.
constexpr std::string_view kStyle = R"css(
.text { padding: 1rem 1.1rem; white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.75; }
.chunk {
  background: rgba(214, 120, 16, calc(var(--heat, 0) * .62));
  box-shadow: inset -1px 0 0 var(--line); padding: .12em 0; border-radius: 2px;
}
.chunk.on { outline: 2px solid var(--c0); outline-offset: -1px; }
.token {
  font: inherit; color: inherit; background: var(--wash); border: 1px solid var(--line);
  border-radius: 4px; padding: 0 .3em; margin: 0 .12em .2em 0; min-width: 1em; cursor: pointer;
  white-space: pre-wrap;
}
.token[aria-pressed=true] { border-color: var(--c0); box-shadow: 0 0 0 1px var(--c0); }
.list { white-space: normal; }
)css";

// A second press on the chosen token lets go of it.
constexpr std::string_view kScript = R"js(
const tokens = [...document.querySelectorAll('.token')];
const chunks = document.querySelectorAll('.chunk');
tokens.forEach((token) => token.addEventListener('click', () => {
  const on = token.getAttribute('aria-pressed') !== 'true';
  tokens.forEach((other) => other.setAttribute('aria-pressed', String(on && other === token)));
  chunks.forEach((chunk) => chunk.classList.remove('on'));
  if (on) picks[tokens.indexOf(token)].forEach((chunk) => chunks[chunk].classList.add('on'));
}));
)js";

std::string shown(const UnfoldStep& step) {
  if (step.end) return "(end)";
  // A line break inside a button would be lost to the eye.
  return step.token == "\n" ? "\u21b5" : step.token;
}

// The steps, from 1, that unfolded each chunk.
std::vector<std::vector<std::size_t>> steps_of_chunks(const UnfoldTrace& trace) {
  std::vector<std::vector<std::size_t>> steps(trace.chunks.size());
  for (std::size_t i = 0; i < trace.steps.size(); ++i) {
    for (const std::int32_t chunk : trace.steps[i].chunks) {
      steps.at(static_cast<std::size_t>(chunk)).push_back(i + 1);
    }
  }
  return steps;
}

void write_head(const UnfoldTrace& trace, HtmlWriter& html) {
  html.open("head");
  html.single("meta", {{"charset", "utf-8"}});
  html.single("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html.single("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
  html.element("title", trace.run + " - Unfold selection");
  html.open("style").raw(page_style()).raw(kStyle).close();
  html.close();
}

void write_header(const UnfoldTrace& trace, HtmlWriter& html) {
  std::int64_t keys = 0;
  for (const UnfoldStep& step : trace.steps) keys += step.keys;
  html.open("header");
  html.element("p", "Unfold selection", {{"class", "eyebrow"}});
  html.element("h1", trace.run);
  html.element("p",
               fmt::format("Layer {} of 0 to {}, key/value head {} of {}, under {}. The document "
                           "has {} chunks; a generated token read {:.1f} keys on average.",
                           trace.layer, trace.layers - 1, trace.kv_head, trace.kv_heads,
                           trace.method, trace.chunks.size(),
                           static_cast<double>(keys) / static_cast<double>(trace.steps.size())),
               {{"class", "lede"}});
  html.close();
}

void write_answer(const UnfoldTrace& trace, HtmlWriter& html) {
  html.element("h2", "Question and answer");
  html.element("p", "Choose a token to outline the chunks it unfolded.", {{"class", "caption"}});
  html.open("div", {{"class", "sheet text"}}).element("span", trace.question, {{"class", "soft"}});
  html.text("\n");
  for (const UnfoldStep& step : trace.steps) {
    html.element("button", shown(step),
                 {{"class", "token"}, {"type", "button"}, {"aria-pressed", "false"}});
  }
  html.close();
}

void write_document(const UnfoldTrace& trace, HtmlWriter& html) {
  html.element("h2", "Document");
  html.element("p", "Darker: unfolded for more of the generated tokens.", {{"class", "caption"}});
  html.open("div", {{"class", "sheet text"}});
  const std::vector<std::vector<std::size_t>> steps = steps_of_chunks(trace);
  const auto all = static_cast<double>(trace.steps.size());
  for (std::size_t j = 0; j < steps.size(); ++j) {
    const std::string note =
        steps[j].empty()
            ? fmt::format("chunk {}: never unfolded", j)
            : fmt::format("chunk {}: unfolded for {} of {} tokens ({})", j, steps[j].size(),
                          trace.steps.size(), core::join(steps[j], ", "));
    html.element(
        "span", trace.chunks[j],
        {{"class", "chunk"},
         {"style", fmt::format("--heat:{:.3f}", static_cast<double>(steps[j].size()) / all)},
         {"title", note}});
  }
  html.close();
}

void write_table(const UnfoldTrace& trace, HtmlWriter& html) {
  html.element("h2", "Token by token");
  html.open("div", {{"class", "sheet"}, {"tabindex", "0"}}).open("table").open("thead").open("tr");
  html.element("th", "Token", {{"scope", "col"}, {"class", "num"}});
  html.element("th", "Generated", {{"scope", "col"}});
  html.element("th", "Keys read", {{"scope", "col"}, {"class", "num"}});
  html.element("th", "Chunks unfolded", {{"scope", "col"}});
  html.close().close().open("tbody");
  for (std::size_t i = 0; i < trace.steps.size(); ++i) {
    const UnfoldStep& step = trace.steps[i];
    html.open("tr").element("td", fmt::format("{}", i + 1), {{"class", "num soft"}});
    html.open("td").element("code", shown(step)).close();
    html.element("td", fmt::format("{}", step.keys), {{"class", "num"}});
    html.element("td", core::join(step.chunks, " "), {{"class", "list"}});
    html.close();
  }
  html.close().close().close();
}

void write_script(const UnfoldTrace& trace, HtmlWriter& html) {
  std::string picks;
  for (const UnfoldStep& step : trace.steps) {
    picks += fmt::format("{}[{}]", picks.empty() ? "" : ",", core::join(step.chunks, ","));
  }
  html.open("script").raw(fmt::format("\nconst picks = [{}];", picks)).raw(kScript).close();
}

}  // namespace

std::string unfold_page(const UnfoldTrace& trace) {
  HtmlWriter html;
  html.raw("<!DOCTYPE html>\n").open("html", {{"lang", "en"}});
  write_head(trace, html);
  html.open("body").open("main");
  write_header(trace, html);
  write_answer(trace, html);
  write_document(trace, html);
  write_table(trace, html);
  html.close();
  write_script(trace, html);
  html.close().close();
  return html.str();
}

}  // namespace unfold::eval
