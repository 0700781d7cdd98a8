#pragma once

// What the tests of this module share: entries that own their bytes, a model of a table, a random
// generator of both, and files in memory whose bytes a test may change. For tests only.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nokv/slice.h"
#include "nokv/status.h"

#include "base/random.h"
#include "key/entry.h"
#include "vfs/file_system.h"

namespace nokv::sst::testing {

inline std::string Numbered(Slice prefix, size_t number) {
  return std::string(prefix).append(std::to_string(number));
}

struct Place {
  std::string key;
  uint64_t trailer;

  bool operator<(const Place& other) const {
    return key::CompareEntries(key, trailer, other.key, other.trailer) < 0;
  }
};

struct Content {
  uint64_t expires_at = 0;
  std::string value;
};

// Entries in their order: what a block or a table must answer like.
using Model = std::map<Place, Content>;

inline key::Entry EntryOf(const Model::value_type& item) {
  return {item.first.key, item.first.trailer, item.second.expires_at, item.second.value};
}

// Shapes of random data. All sizes are upper bounds.
struct Shape {
  size_t keys = 100;
  size_t versions = 3;  // per key, at least 1
  size_t key_bytes = 24;
  size_t value_bytes = 100;
  size_t shared_bytes = 0;  // a prefix of all keys
  int alphabet = 256;       // few letters make long common prefixes
  uint64_t sequences = 1'000'000;
  bool compressible = false;
  bool expiring = true;
  size_t large_value_one_in = 0;  // one in so many values has up to large_value_bytes; 0: none
  size_t large_value_bytes = 0;
};

inline std::string RandomBytes(base::Random* random, size_t size, int alphabet) {
  std::string bytes(size, '\0');
  for (char& c : bytes) {
    c = static_cast<char>(random->Uniform(static_cast<uint64_t>(alphabet)));
  }
  return bytes;
}

inline std::string RandomValue(base::Random* random, const Shape& shape) {
  if (random->OneIn(8)) return "";
  size_t size = random->Uniform(shape.value_bytes + 1);
  if (shape.large_value_one_in != 0 && random->OneIn(shape.large_value_one_in)) {
    size = random->Uniform(shape.large_value_bytes + 1);
  }
  if (!shape.compressible) return RandomBytes(random, size, 256);
  std::string value;
  const std::string word = RandomBytes(random, 10, 26);
  while (value.size() < size)
    value += word;
  value.resize(size);
  return value;
}

inline Model RandomModel(base::Random* random, const Shape& shape) {
  Model model;
  const std::string shared = RandomBytes(random, shape.shared_bytes, 256);
  for (size_t i = 0; i < shape.keys; ++i) {
    const std::string key =
        shared + RandomBytes(random, random->Uniform(shape.key_bytes + 1), shape.alphabet);
    // Now and then a key with many versions.
    const size_t most = random->OneIn(16) ? 12 * shape.versions : shape.versions;
    for (size_t v = random->Uniform(most); v < most; ++v) {
      const bool tombstone = random->OneIn(5);
      const key::SequenceNumber seq = random->Uniform(shape.sequences) + 1;
      // One entry per key and sequence number, as the engine gives out.
      const auto near = model.lower_bound({key, key::PackTrailer(seq + 1, key::Kind::kDelete) - 1});
      if (near != model.end() && near->first.key == key &&
          key::TrailerSequence(near->first.trailer) == seq) {
        continue;
      }
      Content content;
      if (!tombstone) content.value = RandomValue(random, shape);
      if (shape.expiring && !tombstone && random->OneIn(3)) {
        content.expires_at = random->OneIn(50) ? random->Next() | 1 : 1 + random->Uniform(1 << 20);
      }
      model[{key, key::PackTrailer(seq, tombstone ? key::Kind::kDelete : key::Kind::kPut)}] =
          content;
    }
  }
  if (model.empty()) model[{"only", key::PackTrailer(1, key::Kind::kPut)}] = {};
  return model;
}

// Keys to ask for: those of the model, neighbours of them, and others.
inline std::string RandomProbe(base::Random* random, const Model& model, const Shape& shape) {
  auto item = model.begin();
  std::advance(item, static_cast<ptrdiff_t>(random->Uniform(model.size())));
  std::string key = item->first.key;
  switch (random->Uniform(8)) {
    case 0:
      return RandomBytes(random, random->Uniform(shape.key_bytes + 1), shape.alphabet);
    case 1:
      return key + RandomBytes(random, 1 + random->Uniform(2), shape.alphabet);
    case 2:
      return key.substr(0, random->Uniform(key.size() + 1));
    case 3:
      if (!key.empty()) {
        char& c = key[random->Uniform(key.size())];
        c = static_cast<char>(c + (random->OneIn(2) ? 1 : -1));
      }
      return key;
    default:
      return key;
  }
}

inline uint64_t RandomTrailer(base::Random* random, const Model& model, const std::string& key) {
  switch (random->Uniform(4)) {
    case 0:
      return UINT64_MAX;
    case 1:
      return key::PackTrailer(random->Uniform(1'000'000), key::Kind::kPut);
    default: {
      const auto item = model.lower_bound({key, UINT64_MAX});
      if (item == model.end()) return 0;
      return item->first.trailer + random->Uniform(3) - 1;
    }
  }
}

// The file that a WritableFile and the RandomAccessFiles on it share.
using Bytes = std::shared_ptr<std::string>;

class BytesWriter final : public vfs::WritableFile {
 public:
  BytesWriter(Bytes bytes, std::string path) : bytes_(std::move(bytes)), path_(std::move(path)) {}
  Status Append(Slice more) override {
    if (bytes_->size() + more.size() > size_max) return Status::NoSpace(path_ + ": full");
    bytes_->append(more);
    return {};
  }
  Status Sync() override { return {}; }
  Status Close() override { return {}; }
  uint64_t size() const override { return bytes_->size(); }
  const std::string& path() const override { return path_; }

  size_t size_max = SIZE_MAX;

 private:
  const Bytes bytes_;
  const std::string path_;
};

class BytesReader final : public vfs::RandomAccessFile {
 public:
  BytesReader(Bytes bytes, std::string path)
      : bytes_(std::move(bytes)), size_(bytes_->size()), path_(std::move(path)) {}
  Status Read(uint64_t offset, size_t n, char* scratch, Slice* result) const override {
    if (*fail_reads) return Status::IOError(path_ + ": injected");
    const Slice all = *bytes_;
    const Slice found = all.substr(std::min<size_t>(offset, all.size()), n);
    std::copy(found.begin(), found.end(), scratch);
    *result = {scratch, found.size()};
    return {};
  }
  void Prefetch(uint64_t /*offset*/, size_t /*n*/) const override {}
  uint64_t size() const override { return size_; }
  const std::string& path() const override { return path_; }

  // Shared with the test, which gives the reader away.
  std::shared_ptr<bool> fail_reads = std::make_shared<bool>(false);

 private:
  const Bytes bytes_;
  const uint64_t size_;
  const std::string path_;
};

}  // namespace nokv::sst::testing
