#include "models/formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/parallel.h"
#include "models/formats/half.h"
#include "models/formats/safetensors_header.h"

namespace unfold::models {
namespace {

namespace fs = std::filesystem;
using core::bfloat16;
using core::DType;
using core::Tensor;
using Json = nlohmann::json;

constexpr std::string_view kTag = "safetensors";
constexpr std::size_t kPrefix = 8;                             // length of the header
constexpr std::size_t kLongestHeader = std::size_t{16} << 20;  // 100,000 tensors and more
constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

// Values of a file are not aligned.
template <typename T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename Out, typename In, typename Widen>
void convert(const std::byte* from, const Tensor& to, const Widen& widen) {
  Out* out = to.data<Out>();
  core::parallel_for(to.size(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      out[i] = static_cast<Out>(widen(load<In>(from + static_cast<std::size_t>(i) * sizeof(In))));
    }
  });
}

template <typename In, typename Widen>
void convert(const std::byte* from, const Tensor& to, const Widen& widen) {
  if (to.dtype() == DType::float64) return convert<double, In>(from, to, widen);
  if (to.dtype() == DType::float32) return convert<float, In>(from, to, widen);
  // Through float: a double is rounded twice, which no checkpoint of float64 will notice.
  convert<bfloat16, In>(from, to, [&](In value) { return static_cast<float>(widen(value)); });
}

}  // namespace

SafetensorsFile::SafetensorsFile(const fs::path& file) : file_(file) {
  const std::string name = file.string();
  const std::span<const std::byte> bytes = file_.bytes();
  core::require(bytes.size() >= kPrefix, kTag, "{}: {} bytes are no safetensors file", name,
                bytes.size());
  const auto header = load<std::uint64_t>(bytes.data());
  core::require(header <= bytes.size() - kPrefix, kTag,
                "{}: its header says {} bytes, the file has {}: truncated, or not safetensors",
                name, header, bytes.size());
  core::require(header <= kLongestHeader, kTag,
                "{}: a header of {} bytes, above {}: is it a model?", name, header, kLongestHeader);
  data_ = kPrefix + static_cast<std::size_t>(header);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kPrefix,
                              static_cast<std::size_t>(header));
  entries_ = parse_safetensors_header(text, bytes.size() - data_, name);
  for (std::size_t i = 0; i < entries_.size(); ++i) by_name_.emplace(entries_[i].name, i);
}

const SafetensorsEntry* SafetensorsFile::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

Tensor SafetensorsFile::read(const SafetensorsEntry& entry, DType dtype) const {
  const std::byte* from = file_.bytes().data() + data_ + entry.begin;
  const bool known =
      entry.type == "F32" || entry.type == "BF16" || entry.type == "F16" || entry.type == "F64";
  core::require(known, kTag, "{}: tensor {}: holds {}: expected F32, F16, BF16 or F64",
                path().string(), entry.name, entry.type);
  const Tensor result = Tensor::empty(entry.shape, dtype);
  if (entry.type == "F32") convert<float>(from, result, [](float x) { return x; });
  if (entry.type == "F64") convert<double>(from, result, [](double x) { return x; });
  if (entry.type == "F16") {
    convert<std::uint16_t>(from, result, [](std::uint16_t x) { return half_to_float(x); });
  }
  if (entry.type == "BF16") {
    convert<std::uint16_t>(from, result, [](std::uint16_t x) {
      return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16);
    });
  }
  file_.release(data_ + entry.begin, entry.size);
  return result;
}

std::vector<SafetensorsFile> open_safetensors_folder(const fs::path& folder) {
  std::vector<SafetensorsFile> files;
  const fs::path index = folder / kIndexFile;
  std::error_code ignored;
  if (!fs::exists(index, ignored)) {
    core::require(fs::exists(folder / kSingleFile, ignored), kTag,
                  "{}: no {} there: only weights in safetensors are read (transformers' "
                  "save_pretrained writes them)",
                  folder.string(), kSingleFile);
    files.emplace_back(folder / kSingleFile);
    return files;
  }
  const Json json = Json::parse(core::read_text_file(index, kLongestHeader), nullptr, false);
  const bool good = json.is_object() && json.contains("weight_map") &&
                    json["weight_map"].is_object() && !json["weight_map"].empty();
  core::require(good, kTag, "{}: no index of weights: the file is damaged, fetch it again",
                index.string());
  std::set<std::string> names;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    const bool plain = file.is_string() && !file.get<std::string>().empty() &&
                       file.get<std::string>().find('/') == std::string::npos &&
                       !file.get<std::string>().starts_with('.');
    core::require(plain, kTag, "{}: tensor {}: {} is no name of a file beside it", index.string(),
                  Json(tensor).dump(), file.dump());
    names.insert(file.get<std::string>());
  }
  std::map<std::string, std::string> owner;  // file by tensor
  for (const std::string& name : names) {
    files.emplace_back(folder / name);
    for (const SafetensorsEntry& entry : files.back().entries()) {
      const auto [other, first] = owner.emplace(entry.name, name);
      core::require(first, kTag,
                    "{}: tensor {}: is in {} as well: the files do not belong together",
                    (folder / name).string(), entry.name, other->second);
    }
  }
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    const auto found = owner.find(tensor);
    core::require(found != owner.end() && found->second == file.get<std::string>(), kTag,
                  "{}: tensor {}: is not in {}: index and files do not belong together",
                  index.string(), Json(tensor).dump(), file.get<std::string>());
  }
  return files;
}

SafetensorsWriter::SafetensorsWriter(fs::path folder, std::vector<SafetensorsPlan> plan,
                                     std::uint64_t shard_bytes)
    : folder_(std::move(folder)), plan_(std::move(plan)) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    const auto size = static_cast<std::uint64_t>(core::element_count(plan_[i].shape)) *
                      core::size_of(plan_[i].dtype);
    if (shards_.empty() || (bytes > 0 && bytes + size > shard_bytes)) {
      shards_.push_back({kSingleFile, i, i});
      bytes = 0;
    }
    bytes += size;
    shards_.back().last = i + 1;
  }
  if (shards_.size() < 2) return;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    shards_[i].name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards_.size());
  }
}

void SafetensorsWriter::open_shard() {
  const Shard& shard = shards_[shard_];
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  std::size_t begin = 0;
  for (std::size_t i = shard.first; i < shard.last; ++i) {
    const std::size_t end = begin + static_cast<std::size_t>(core::element_count(plan_[i].shape)) *
                                        core::size_of(plan_[i].dtype);
    header[plan_[i].name] = {{"dtype", plan_[i].dtype == DType::bfloat16 ? "BF16" : "F32"},
                             {"shape", plan_[i].shape},
                             {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // values begin aligned
  const std::uint64_t size = text.size();
  file_.emplace(folder_ / shard.name, core::AppendFile::Mode::create);
  file_->append({reinterpret_cast<const char*>(&size), sizeof size});
  file_->append(text);
}

void SafetensorsWriter::write(const Tensor& value) {
  core::check(next_ < plan_.size() && value.shape() == plan_[next_].shape, kTag,
              "tensor {} of shape {} is not planned", next_, core::to_string(value.shape()));
  if (next_ == shards_[shard_].first) open_shard();
  const Tensor stored = value.to(core::Device{}).to(plan_[next_].dtype).contiguous();
  file_->append({static_cast<const char*>(stored.raw()), stored.bytes()});
  if (++next_ < shards_[shard_].last) return;
  file_->sync();
  file_.reset();
  ++shard_;
}

void SafetensorsWriter::finish() {
  core::check(next_ == plan_.size(), kTag, "{} of {} tensors written", next_, plan_.size());
  if (shards_.size() < 2) return;
  Json weights = Json::object();
  std::uint64_t total = 0;
  for (const Shard& shard : shards_) {
    for (std::size_t i = shard.first; i < shard.last; ++i) {
      weights[plan_[i].name] = shard.name;
      total += static_cast<std::uint64_t>(core::element_count(plan_[i].shape)) *
               core::size_of(plan_[i].dtype);
    }
  }
  const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", weights}};
  core::write_file_atomically(folder_ / kIndexFile, index.dump(2) + "\n");
}

}  // namespace unfold::models
