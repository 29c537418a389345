#include "tests/models/naive_decoder.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "gsa/visibility.h"

namespace unfold::models {
namespace {

using Vector = std::vector<double>;

class NaiveDecoder {
 public:
  NaiveDecoder(const Decoder& decoder, const gsa::Layout& layout)
      : decoder_(decoder), config_(decoder.config()), layout_(layout) {}

  Vector logits(const std::vector<std::int32_t>& tokens, const NaiveView& view) {
    std::vector<Vector> x;
    const Vector table = weights("embedding.weight");
    for (const std::int32_t token : tokens) {
      x.push_back(row(table, token, config_.width));
    }
    for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
      const std::string name = fmt::format("layers.{}.", layer);
      attention(layer, name, view, x);
      mlp(name, x);
    }
    const Vector head = weights("head.weight");
    const Vector norm = weights("norm.weight");
    Vector result;
    for (const Vector& state : x) {
      const Vector hidden = rms_norm(state, norm);
      for (std::int64_t id = 0; id < config_.vocab_size; ++id) {
        result.push_back(dot(row(head, id, config_.width), hidden));
      }
    }
    return result;
  }

 private:
  Vector weights(const std::string& name) const {
    return decoder_.parameter(name).variable.value().to_vector<double>();
  }

  static Vector row(const Vector& matrix, std::int64_t index, std::int64_t width) {
    return {matrix.begin() + index * width, matrix.begin() + (index + 1) * width};
  }

  static double dot(const Vector& a, const Vector& b) {
    double total = 0;
    for (std::size_t i = 0; i < a.size(); ++i) total += a[i] * b[i];
    return total;
  }

  static Vector multiply(const Vector& matrix, const Vector& x) {
    const std::size_t rows = matrix.size() / x.size();
    Vector y;
    for (std::size_t i = 0; i < rows; ++i) {
      y.push_back(
          dot(row(matrix, static_cast<std::int64_t>(i), static_cast<std::int64_t>(x.size())), x));
    }
    return y;
  }

  Vector rms_norm(const Vector& x, const Vector& weight) const {
    const double scale =
        1.0 / std::sqrt(dot(x, x) / static_cast<double>(x.size()) + config_.norm_eps);
    Vector y;
    for (std::size_t i = 0; i < x.size(); ++i) y.push_back(x[i] * scale * weight[i]);
    return y;
  }

  // Rotates one head in place by the token's position: pairs (i, i + D/2).
  void rotate(std::size_t token, double* head) const {
    const std::int64_t half = config_.head_width() / 2;
    for (std::int64_t i = 0; i < half; ++i) {
      const double angle =
          layout_.rope[token] /
          std::pow(config_.rope.theta, static_cast<double>(i) / static_cast<double>(half));
      const double a = head[i];
      const double b = head[i + half];
      head[i] = a * std::cos(angle) - b * std::sin(angle);
      head[i + half] = b * std::cos(angle) + a * std::sin(angle);
    }
  }

  void attention(std::int64_t layer, const std::string& name, const NaiveView& view,
                 std::vector<Vector>& x) const {
    const auto width = static_cast<std::size_t>(config_.head_width());
    const auto heads = static_cast<std::size_t>(config_.heads);
    const auto kv_heads = static_cast<std::size_t>(config_.kv_heads);
    const Vector norm = weights(name + "attention_norm.weight");
    const Vector project = weights(name + "attention.qkv.weight");
    std::vector<Vector> qkv;
    for (std::size_t t = 0; t < x.size(); ++t) {
      qkv.push_back(multiply(project, rms_norm(x[t], norm)));
      if (config_.qkv_bias) {
        const Vector bias = weights(name + "attention.qkv.bias");
        for (std::size_t i = 0; i < bias.size(); ++i) qkv[t][i] += bias[i];
      }
      for (std::size_t h = 0; h < heads + kv_heads; ++h) rotate(t, qkv[t].data() + h * width);
    }
    const Vector out = weights(name + "attention.out.weight");
    for (std::size_t query = 0; query < x.size(); ++query) {
      Vector attended(heads * width, 0.0);
      for (std::size_t kv_head = 0; kv_head < kv_heads; ++kv_head) {
        const std::vector<bool> seen = view(
            {layer, static_cast<std::int64_t>(kv_head), static_cast<std::int64_t>(query), qkv});
        const std::size_t key = (heads + kv_head) * width;
        const std::size_t value = key + kv_heads * width;
        const std::size_t group = heads / kv_heads;
        for (std::size_t h = kv_head * group; h < (kv_head + 1) * group; ++h) {
          double total = 0;
          for (std::size_t k = 0; k < seen.size(); ++k) {
            if (!seen[k]) continue;
            const Vector& other = qkv[k];
            double score = 0;
            for (std::size_t d = 0; d < width; ++d) {
              score += qkv[query][h * width + d] * other[key + d];
            }
            const double weight = std::exp(score / std::sqrt(static_cast<double>(width)));
            total += weight;
            for (std::size_t d = 0; d < width; ++d) {
              attended[h * width + d] += weight * other[value + d];
            }
          }
          for (std::size_t d = 0; d < width; ++d) attended[h * width + d] /= total;
        }
      }
      const Vector branch = multiply(out, attended);
      for (std::size_t i = 0; i < branch.size(); ++i) x[query][i] += branch[i];
    }
  }

  void mlp(const std::string& name, std::vector<Vector>& x) const {
    const Vector norm = weights(name + "mlp_norm.weight");
    const Vector gate_up = weights(name + "mlp.gate_up.weight");
    const Vector down = weights(name + "mlp.down.weight");
    const auto ffn = static_cast<std::size_t>(config_.ffn);
    for (Vector& state : x) {
      const Vector both = multiply(gate_up, rms_norm(state, norm));
      Vector inner;
      for (std::size_t i = 0; i < ffn; ++i) {
        inner.push_back(both[i] / (1.0 + std::exp(-both[i])) * both[ffn + i]);
      }
      const Vector branch = multiply(down, inner);
      for (std::size_t i = 0; i < branch.size(); ++i) state[i] += branch[i];
    }
  }

  const Decoder& decoder_;
  const DecoderConfig& config_;
  const gsa::Layout& layout_;
};

}  // namespace

std::vector<double> naive_logits(const Decoder& decoder, const gsa::Layout& layout,
                                 const std::vector<std::int32_t>& tokens,
                                 const gsa::GistConfig& gist, gsa::Visibility visibility) {
  std::vector<gsa::VisibilityCounts> counts;
  for (std::int64_t r = 0; r < layout.rows; ++r) counts.push_back(gsa::count_row(layout, r, gist));
  return naive_logits(decoder, layout, tokens, [&](const NaiveQuery& query) {
    const std::int64_t r = query.position / layout.length;
    const std::int64_t first = r * layout.length;
    std::vector<bool> seen(static_cast<std::size_t>(first + layout.length), false);
    for (std::int64_t k = 0; k < layout.length; ++k) {
      seen[static_cast<std::size_t>(first + k)] = gsa::visible(
          counts[static_cast<std::size_t>(r)], query.position - first, k, gist, visibility);
    }
    return seen;
  });
}

std::vector<double> naive_logits(const Decoder& decoder, const gsa::Layout& layout,
                                 const std::vector<std::int32_t>& tokens, const NaiveView& view) {
  return NaiveDecoder(decoder, layout).logits(tokens, view);
}

double naive_loss(const std::vector<double>& logits, std::int64_t classes, std::int64_t token,
                  std::int32_t target) {
  const auto first = logits.begin() + token * classes;
  const double largest = *std::max_element(first, first + classes);
  double total = 0;
  for (auto logit = first; logit != first + classes; ++logit) total += std::exp(*logit - largest);
  return std::log(total) + largest - first[target];
}

}  // namespace unfold::models
