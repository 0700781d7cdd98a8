#include "sst/compression.h"

#include <algorithm>

#include <lz4.h>
#include <zstd.h>

#include "base/check.h"
#include "base/coding.h"

namespace nokv::sst {

static_assert(kBlockBytesMax <= LZ4_MAX_INPUT_SIZE, "the largest block fits one LZ4 block");

Compressor::Compressor(Compression compression, int zstd_level, double min_saving)
    : compression_(compression),
      zstd_level_(zstd_level),
      min_saving_(std::clamp(min_saving, 0.0, 0.99)) {}

Compressor::~Compressor() {
  ZSTD_freeCCtx(zstd_context_);
}

Compression Compressor::Compress(Slice raw, std::string* payload) {
  if (compression_ == Compression::kNone || raw.empty()) return Compression::kNone;
  if (skip_ > 0) {
    --skip_;
    return Compression::kNone;
  }
  char header[base::kMaxVarint64Bytes];
  const auto header_bytes = static_cast<size_t>(base::EncodeVarint64(header, raw.size()) - header);
  // The compressors give up as soon as they exceed this, which is most of the speed of a failed
  // try.
  const auto limit = static_cast<size_t>(static_cast<double>(raw.size()) * (1.0 - min_saving_));
  size_t compressed = 0;
  if (limit > header_bytes) {
    payload->resize(limit);
    std::copy_n(header, header_bytes, payload->data());
    compressed = compression_ == Compression::kLz4
                     ? CompressLz4(raw, header_bytes, limit - header_bytes, payload)
                     : CompressZstd(raw, header_bytes, limit - header_bytes, payload);
  }
  if (compressed == 0) {
    skip_ = next_skip_;
    next_skip_ = std::min(next_skip_ * 2, kSkipMax);
    return Compression::kNone;
  }
  next_skip_ = 1;
  payload->resize(header_bytes + compressed);
  return compression_;
}

size_t Compressor::CompressLz4(Slice raw, size_t at, size_t size_max, std::string* payload) {
  if (lz4_state_ == nullptr) {
    lz4_state_ = std::make_unique<char[]>(static_cast<size_t>(LZ4_sizeofState()));
  }
  const int written =
      LZ4_compress_fast_extState(lz4_state_.get(), raw.data(), payload->data() + at,
                                 static_cast<int>(raw.size()), static_cast<int>(size_max), 1);
  return written > 0 ? static_cast<size_t>(written) : 0;
}

size_t Compressor::CompressZstd(Slice raw, size_t at, size_t size_max, std::string* payload) {
  if (zstd_context_ == nullptr) {
    zstd_context_ = ZSTD_createCCtx();
    NOKV_CHECK(zstd_context_ != nullptr);
  }
  const size_t written = ZSTD_compressCCtx(zstd_context_, payload->data() + at, size_max,
                                           raw.data(), raw.size(), zstd_level_);
  return ZSTD_isError(written) != 0U ? 0 : written;
}

bool DecompressedSize(Slice payload, size_t size_max, size_t* raw_bytes) {
  uint64_t size;
  if (!base::GetVarint64(&payload, &size) || size > size_max) return false;
  *raw_bytes = static_cast<size_t>(size);
  return true;
}

namespace {

// One per thread: making a context costs more than decompressing a block.
ZSTD_DCtx* ThreadDecompressor() {
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  thread_local const std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
  NOKV_CHECK(context != nullptr);
  return context.get();
}

}  // namespace

const char* Decompress(Compression compression, Slice payload, char* out, size_t raw_bytes) {
  uint64_t stated;
  if (!base::GetVarint64(&payload, &stated) || stated != raw_bytes) return "malformed raw size";
  if (compression == Compression::kLz4) {
    if (payload.size() > kBlockBytesMax) return "the compressed block is too large";
    const int written = LZ4_decompress_safe(payload.data(), out, static_cast<int>(payload.size()),
                                            static_cast<int>(raw_bytes));
    if (written < 0 || static_cast<size_t>(written) != raw_bytes) return "LZ4 data is malformed";
    return nullptr;
  }
  NOKV_CHECK(compression == Compression::kZstd);
  const size_t written =
      ZSTD_decompressDCtx(ThreadDecompressor(), out, raw_bytes, payload.data(), payload.size());
  if (ZSTD_isError(written) != 0U || written != raw_bytes) return "Zstandard data is malformed";
  return nullptr;
}

}  // namespace nokv::sst
