#pragma once

// Compressing and decompressing the payload of a data block.
//
//   compressed payload := raw size:varint64   bytes of LZ4 (one block) or Zstandard (one frame)
//
// Compressor decides block by block whether it pays: a block that saves less than the stated share
// is stored plain, and after such blocks it skips a growing number of blocks before it samples
// again, so that data that does not compress costs next to nothing. The decisions depend on the
// blocks alone.
//
// A Compressor is confined to one thread. Decompress is thread-safe.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "nokv/slice.h"

#include "sst/format.h"

struct ZSTD_CCtx_s;

namespace nokv::sst {

class Compressor {
 public:
  // `min_saving` is the share of the payload that must be saved, in [0, 1).
  Compressor(Compression compression, int zstd_level, double min_saving);
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  // The form in which to store `raw`. Returns kNone and leaves *payload alone if it is to be stored
  // plain; otherwise *payload is the compressed payload.
  Compression Compress(Slice raw, std::string* payload);

 private:
  // Bytes of the compressed form at payload->data() + `at`, or 0.
  size_t CompressLz4(Slice raw, size_t at, size_t size_max, std::string* payload);
  size_t CompressZstd(Slice raw, size_t at, size_t size_max, std::string* payload);

  static constexpr uint32_t kSkipMax = 64;

  const Compression compression_;
  const int zstd_level_;
  const double min_saving_;
  uint32_t skip_ = 0;       // blocks still to store without a try
  uint32_t next_skip_ = 1;  // doubles with every try that does not pay, up to kSkipMax
  std::unique_ptr<char[]> lz4_state_;
  ZSTD_CCtx_s* zstd_context_ = nullptr;
};

// The raw size that a compressed payload states; false if it states none, or more than `size_max`.
bool DecompressedSize(Slice payload, size_t size_max, size_t* raw_bytes);

// Decompresses into `out`, which has room for exactly `raw_bytes`. Returns nullptr, or what is
// wrong. REQUIRES: compression is not kNone, and DecompressedSize gave `raw_bytes`.
const char* Decompress(Compression compression, Slice payload, char* out, size_t raw_bytes);

}  // namespace nokv::sst
