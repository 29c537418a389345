#include "gsa/cuda/device_table.cuh"

#include <algorithm>

#include "gsa/cuda/launch.cuh"

namespace unfold::gsa::kernels::cuda {
namespace {

// All that is flattened, while it grows.
struct Flat {
  std::vector<std::int32_t> gist_offsets{0}, gists, first_child, raw_offsets{0}, raw, chunk_begin,
      first_chunk;
  std::size_t most_gists = 0;
};

void append(const std::vector<std::int32_t>& from, std::vector<std::int32_t>& to) {
  to.insert(to.end(), from.begin(), from.end());
}

void flatten(const DocumentChunks& document, Flat& flat) {
  std::vector<std::int32_t> chunk;  // first level-0 chunk of every gist of a level
  for (std::size_t l = 0; l < document.levels.size(); ++l) {
    const ChunkLevel& level = document.levels[l];
    std::vector<std::int32_t> own(level.gist.size() + 1);
    for (std::size_t j = 0; j < own.size(); ++j) {
      own[j] = l == 0 ? static_cast<std::int32_t>(j)
                      : chunk[static_cast<std::size_t>(level.first_child[j])];
    }
    append(level.gist, flat.gists);
    if (l == 0) append(document.chunk_begin, flat.chunk_begin);
    flat.chunk_begin.resize(flat.gists.size(), -1);
    append(level.first_child, flat.first_child);
    append(own, flat.first_chunk);
    flat.gist_offsets.push_back(static_cast<std::int32_t>(flat.gists.size()));
    flat.most_gists = std::max(flat.most_gists, level.gist.size());
    chunk = std::move(own);
  }
  append(document.raw, flat.raw);
  flat.raw_offsets.push_back(static_cast<std::int32_t>(flat.raw.size()));
}

std::vector<GistTile> gist_tiles(const ChunkTable& table) {
  std::vector<GistTile> tiles;
  for (std::size_t d = 0; d < table.documents.size(); ++d) {
    if (table.first_query[d] == table.first_query[d + 1]) continue;
    const std::vector<ChunkLevel>& levels = table.documents[d].levels;
    for (std::size_t l = 0; l < levels.size(); ++l) {
      for (std::size_t j = 0; j < levels[l].gist.size(); j += kGistTile) {
        tiles.push_back({static_cast<int>(d), static_cast<int>(l), static_cast<int>(j)});
      }
    }
  }
  return tiles;
}

DeviceTable make_device_table(const ChunkTable& table, core::Device device) {
  Flat flat;
  const std::size_t levels = table.documents.empty() ? 0 : table.documents[0].levels.size();
  for (const DocumentChunks& document : table.documents) flatten(document, flat);
  std::vector<DeviceQuery> suffix;
  std::vector<std::int32_t> covered;
  for (const ChunkTable::SuffixQuery& query : table.suffix) {
    const DocumentChunks& document = table.document_of(query);
    suffix.push_back({query.document, document.row, query.position, query.tops});
    for (std::size_t l = 0; l < levels; ++l) {
      covered.push_back(document.covered_gists(static_cast<int>(l), query.tops));
    }
  }
  DeviceTable made;
  made.most_gists = static_cast<int>(flat.most_gists);
  for (const DocumentChunks& document : table.documents) {
    made.most_chunks = std::max(made.most_chunks, document.chunks());
  }
  made.suffix = upload(suffix, device);
  made.covered = upload(covered, device);
  made.first_query = upload(table.first_query, device);
  made.gist_offsets = upload(flat.gist_offsets, device);
  made.gists = upload(flat.gists, device);
  made.first_child = upload(flat.first_child, device);
  made.raw_offsets = upload(flat.raw_offsets, device);
  made.raw = upload(flat.raw, device);
  made.chunk_begin = upload(flat.chunk_begin, device);
  made.first_chunk = upload(flat.first_chunk, device);
  const std::vector<GistTile> tiles = gist_tiles(table);
  made.gist_tile_count = static_cast<int>(tiles.size());
  made.gist_tiles = upload(tiles, device);
  made.view = {.documents = static_cast<int>(table.documents.size()),
               .levels = static_cast<int>(levels),
               .queries = static_cast<int>(table.suffix.size()),
               .suffix = uploaded<DeviceQuery>(made.suffix),
               .covered = uploaded<int>(made.covered),
               .first_query = uploaded<int>(made.first_query),
               .gist_offsets = uploaded<int>(made.gist_offsets),
               .gists = uploaded<int>(made.gists),
               .first_child = uploaded<int>(made.first_child),
               .raw_offsets = uploaded<int>(made.raw_offsets),
               .raw = uploaded<int>(made.raw),
               .chunk_begin = uploaded<int>(made.chunk_begin),
               .first_chunk = uploaded<int>(made.first_chunk)};
  return made;
}

}  // namespace

std::shared_ptr<const DeviceTable> device_table(const ChunkTable& table, core::Device device) {
  return table.device_copy.get<DeviceTable>(device,
                                            [&] { return make_device_table(table, device); });
}

}  // namespace unfold::gsa::kernels::cuda
