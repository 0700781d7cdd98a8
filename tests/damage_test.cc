// Damage: every kind of file of a cleanly closed database is flipped, cut, swapped, zeroed and deleted.
//
// What must hold (law 5): opening fails with an error that names a file of the database, or everything that
// is read is right or an error that names the file. Never a wrong answer, never a missing key, never a crash.

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "db/db_impl.h"
#include "vfs/memory_file_system.h"

namespace nokv::tests {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kFlipsPerFile = 40;
#else
constexpr size_t kFlipsPerFile = 400;
#endif
constexpr uint64_t kSeed = 20261121;

using Image = std::map<std::string, std::string>;  // file name to bytes
using Contents = std::map<std::string, std::string>;

Options SmallOptions() {
  Options options;
  options.memory_budget = 16 << 20;
  options.memtable_bytes = 64 << 10;
  options.log.segment_bytes = 64 << 10;
  options.table.file_bytes = 24 << 10;
  options.table.block_bytes = 1024;
  options.compaction.automatic = false;
  return options;
}

class Damage : public testing::Test {
 protected:
  // A database with tables in two levels, a range tombstone, and a log that holds the newest writes.
  static void SetUpTestSuite() {
    vfs::MemoryFileSystem fs;
    base::ManualClock clock;
    base::ManualExecutor executor;
    base::Random random(kSeed);
    {
      auto opened = db::DbImpl::Open(
          SmallOptions(),
          {.fs = &fs, .clock = &clock, .executor = &executor, .random_seed = 3, .holder = "damage"}, "/db");
      ASSERT_TRUE(opened.ok()) << opened.status().ToString();
      DB& db = **opened;
      const auto put = [&](int i) {
        const std::string key = "key" + std::to_string(i);
        (*contents_)[key] = key + std::string(random.Uniform(150), 'v');
        ASSERT_TRUE(db.Put({}, key, (*contents_)[key]).ok());
      };
      for (int i = 0; i < 300; ++i) put(i);
      ASSERT_TRUE(db.CompactRange({}, nullptr, "", "").ok());
      for (int i = 100; i < 400; ++i) put(i);
      ASSERT_TRUE(db.DeleteRange({}, "key20", "key25").ok());
      contents_->erase(contents_->lower_bound("key20"), contents_->lower_bound("key25"));
      ASSERT_TRUE(db.Flush({}).ok());
      for (int i = 380; i < 500; ++i) put(i);
      ASSERT_TRUE(db.Close().ok());
    }
    executor.RunAll();
    const auto names = fs.List("/db");
    ASSERT_TRUE(names.ok());
    for (const std::string& name : *names) {
      auto file = fs.OpenRandomAccess("/db/" + name, vfs::FileKind::kOther, vfs::AccessPattern::kNormal);
      ASSERT_TRUE(file.ok());
      std::string bytes((*file)->size(), '\0');
      Slice read;
      ASSERT_TRUE((*file)->Read(0, bytes.size(), bytes.data(), &read).ok());
      (*image_)[name] = std::string(read);
    }
  }

  // Empty if what was found is right or an error that names a file; otherwise what is wrong.
  static std::string Judge(const Image& image, bool* detected) {
    vfs::MemoryFileSystem fs;
    EXPECT_TRUE(fs.CreateDirectory("/db").ok());
    for (const auto& [name, bytes] : image) {
      auto file = fs.CreateWritable("/db/" + name, vfs::FileKind::kOther);
      EXPECT_TRUE((*file)->Append(bytes).ok() && (*file)->Sync().ok() && (*file)->Close().ok());
    }
    EXPECT_TRUE(fs.SyncDirectory("/db").ok());
    base::ManualClock clock;
    base::ManualExecutor executor;
    std::string problem;
    {
      auto opened = db::DbImpl::Open(
          SmallOptions(),
          {.fs = &fs, .clock = &clock, .executor = &executor, .random_seed = 3, .holder = "damage"}, "/db");
      if (!opened.ok()) {
        *detected = true;
        return NamesAFile(opened.status()) ? "" : "open: " + opened.status().ToString();
      }
      problem = JudgeContents(**opened, detected);
    }
    executor.RunAll();
    return problem;
  }

  static bool NamesAFile(const Status& status) {
    if (!status.IsCorruption() && status.code() != StatusCode::kNotSupported) return false;
    const Slice message = status.message();
    for (const char* mark : {".sst", ".wal", "MANIFEST-", "CURRENT"}) {
      if (message.find(mark) != Slice::npos) return true;
    }
    return false;
  }

  static std::string JudgeContents(DB& db, bool* detected) {
    for (const auto& [key, value] : *contents_) {
      std::string found;
      const Status status = db.Get({}, key, &found);
      if (status.ok() ? found != value : !NamesAFile(status)) {
        return "get " + key + ": " + (status.ok() ? "a wrong value" : status.ToString());
      }
      *detected |= !status.ok();
    }
    const auto it = db.NewIterator({});
    auto expected = contents_->begin();
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++expected) {
      if (expected == contents_->end() || it->key() != expected->first || it->value() != expected->second) {
        return "a scan shows " + std::string(it->key()) + " where it should not";
      }
    }
    if (!it->status().ok()) {
      *detected = true;
      return NamesAFile(it->status()) ? "" : "scan: " + it->status().ToString();
    }
    if (expected != contents_->end()) return "a scan ends before " + expected->first;
    const Status verified = db.VerifyChecksums();
    *detected |= !verified.ok();
    if (!verified.ok() && !NamesAFile(verified)) return "verify: " + verified.ToString();
    return {};
  }

  static std::vector<std::string> Files(const std::string& part) {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : *image_) {
      if (name.find(part) != std::string::npos) names.push_back(name);
    }
    return names;
  }

  // Flips a bit at `count` places of each file of the kind, the first 600 bytes of it closely.
  static void FlipAll(const std::string& part, bool all_detected) {
    base::Random random(kSeed);
    size_t flips = 0;
    size_t found = 0;
    for (const std::string& name : Files(part)) {
      const size_t size = image_->at(name).size();
      ASSERT_GT(size, 0U);
      for (size_t i = 0; i < kFlipsPerFile; ++i) {
        const size_t offset = i % 2 == 0 ? random.Uniform(std::min<size_t>(size, 600)) : random.Uniform(size);
        Image damaged = *image_;
        damaged[name][offset] = static_cast<char>(damaged[name][offset] ^ (1 << random.Uniform(8)));
        bool detected = false;
        ASSERT_EQ(Judge(damaged, &detected), "") << name << ", offset " << offset << ", seed " << kSeed;
        ++flips;
        found += detected ? 1 : 0;
        if (all_detected) {
          ASSERT_TRUE(detected) << name << ", offset " << offset;
        }
      }
    }
    std::printf("%s: %zu flips, %zu detected, the others touched nothing that is read\n", part.c_str(), flips,
                found);
    ASSERT_GT(found, 0U);
  }

  static Image* const image_;
  static Contents* const contents_;
};

Image* const Damage::image_ = new Image;
Contents* const Damage::contents_ = new Contents;

TEST_F(Damage, TheImageIsWholeAndHasEveryKindOfFile) {
  bool detected = false;
  ASSERT_EQ(Judge(*image_, &detected), "");
  ASSERT_FALSE(detected);
  EXPECT_GE(Files(".sst").size(), 3U);
  EXPECT_GE(Files(".wal").size(), 1U);
  EXPECT_EQ(Files("MANIFEST-").size(), 1U);
  EXPECT_EQ(Files("CURRENT").size(), 1U);
}

TEST_F(Damage, AFlippedBitInATableIsFoundOrHarmless) { FlipAll(".sst", true); }
TEST_F(Damage, AFlippedBitInTheManifestIsFound) { FlipAll("MANIFEST-", true); }
TEST_F(Damage, AFlippedBitInCurrentIsFound) { FlipAll("CURRENT", true); }
// Behind the last record the segments are unused space.
TEST_F(Damage, AFlippedBitInTheLogIsFoundOrHarmless) { FlipAll(".wal", false); }

TEST_F(Damage, AMissingFileIsNamed) {
  for (const auto& [name, bytes] : *image_) {
    if (name == "LOCK") continue;
    Image damaged = *image_;
    damaged.erase(name);
    bool detected = false;
    ASSERT_EQ(Judge(damaged, &detected), "") << name;
    // The newest log segment was prepared and holds nothing; it may be missed or not.
    if (name.find(".wal") == std::string::npos) {
      EXPECT_TRUE(detected) << name;
    }
  }
}

TEST_F(Damage, ATruncatedOrExtendedFileIsFoundOrHarmless) {
  base::Random random(kSeed);
  for (const auto& [name, bytes] : *image_) {
    if (name == "LOCK") continue;
    for (int i = 0; i < 24; ++i) {
      Image damaged = *image_;
      if (i == 0) {
        damaged[name].clear();
      } else if (i == 1) {
        damaged[name] += std::string(100, 'x');
      } else {
        damaged[name].resize(random.Uniform(bytes.size()));
      }
      bool detected = false;
      ASSERT_EQ(Judge(damaged, &detected), "")
          << name << " with " << damaged[name].size() << " bytes of " << bytes.size();
      // Bytes behind the end of the manifest look like an append that a crash cut off, and are not read.
      if (name.find(".wal") == std::string::npos && damaged[name].size() <= bytes.size()) {
        EXPECT_TRUE(detected) << name << " with " << damaged[name].size() << " bytes";
      }
    }
  }
}

TEST_F(Damage, SwappedFilesAreFound) {
  for (const char* part : {".sst", ".wal"}) {
    const auto names = Files(part);
    for (size_t a = 0; a < names.size(); ++a) {
      for (size_t b = a + 1; b < names.size(); ++b) {
        Image damaged = *image_;
        std::swap(damaged[names[a]], damaged[names[b]]);
        bool detected = false;
        ASSERT_EQ(Judge(damaged, &detected), "") << names[a] << " and " << names[b];
        EXPECT_TRUE(detected) << names[a] << " and " << names[b];
      }
    }
  }
}

TEST_F(Damage, AZeroedStretchIsFoundOrHarmless) {
  base::Random random(kSeed);
  for (const auto& [name, bytes] : *image_) {
    if (name == "LOCK") continue;
    for (int i = 0; i < 40; ++i) {
      Image damaged = *image_;
      const size_t begin = random.Uniform(bytes.size());
      const size_t length = std::min<size_t>(1 + random.Uniform(600), bytes.size() - begin);
      std::string& target = damaged[name];
      std::fill_n(target.begin() + static_cast<ptrdiff_t>(begin), length, '\0');
      bool detected = false;
      ASSERT_EQ(Judge(damaged, &detected), "") << name << ", " << length << " bytes from " << begin;
    }
  }
}

}  // namespace
}  // namespace nokv::tests
