// Every bit flipped, every length cut, pieces swapped: damage is reported, or it is one of the
// cases that docs/format/manifest.md lists as indistinguishable from a crash.

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/coding.h"
#include "base/random.h"
#include "manifest/manifest.h"
#include "manifest/test_edits.h"
#include "vfs/memory_file_system.h"

namespace nokv::manifest {
namespace {

using vfs::MemoryFileSystem;

constexpr char kDir[] = "/db";
constexpr size_t kSealBytes = kRecordHeaderBytes;

// The bytes of a database directory, and the states on the way to it.
struct Image {
  std::string current;
  std::string manifest_name;
  std::string manifest;
  // (end of a group, the state from there on), ascending; the first is that of the snapshot.
  std::vector<std::pair<uint64_t, State>> states;

  const State& last() const { return states.back().second; }
  // The state of the groups that lie wholly in the first `bytes`.
  const State& At(uint64_t bytes) const {
    size_t i = states.size() - 1;
    while (i > 0 && states[i].first > bytes) --i;
    return states[i].second;
  }
};

Image MakeImage(uint64_t seed, uint64_t database_id, bool close, int groups = 6) {
  MemoryFileSystem fs;
  EXPECT_TRUE(fs.CreateDirectory(kDir).ok());
  auto manifest = Manifest::Create(&fs, kDir, database_id).value();
  EditGenerator generator(seed);
  Image image;
  image.states.emplace_back(manifest->stats().bytes, manifest->state());
  for (int i = 0; i < groups; ++i) {
    const VersionEdit edit =
        generator.Next(manifest->state(), [&] { return manifest->NewFileNumber(); });
    EXPECT_TRUE(manifest->LogAndApply(edit).ok());
    image.states.emplace_back(manifest->stats().bytes - kSealBytes, manifest->state());
  }
  if (close) {
    EXPECT_TRUE(manifest->Close().ok());
  }
  image.manifest_name = ManifestFileName(manifest->manifest_number());
  image.current = vfs::ReadFile(&fs, "/db/CURRENT", 1 << 20).value();
  image.manifest = vfs::ReadFile(&fs, "/db/" + image.manifest_name, 1 << 20).value();
  return image;
}

void WriteFile(MemoryFileSystem* fs, const std::string& name, Slice bytes) {
  auto file = fs->CreateWritable(vfs::JoinPath(kDir, name), vfs::FileKind::kOther).value();
  ASSERT_TRUE(file->Append(bytes).ok());
  ASSERT_TRUE(file->Close().ok());
}

Result<State> LoadImage(const Image& image) {
  MemoryFileSystem fs;
  EXPECT_TRUE(fs.CreateDirectory(kDir).ok());
  WriteFile(&fs, "CURRENT", image.current);
  WriteFile(&fs, image.manifest_name, image.manifest);
  return Manifest::Load(&fs, kDir);
}

// kCorruption that names the file and the place in it.
void ExpectDamage(const Result<State>& loaded, const std::string& where) {
  ASSERT_FALSE(loaded.ok()) << where;
  EXPECT_TRUE(loaded.status().IsCorruption()) << where << ": " << loaded.status().ToString();
  EXPECT_EQ(loaded.status().message().find("/db/MANIFEST-000001, offset "), 0u)
      << loaded.status().ToString();
}

std::string Flipped(std::string bytes, size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  return bytes;
}

TEST(ManifestDamage, EveryFlippedBitIsFoundAfterAnOrderlyEnd) {
  const Image image = MakeImage(1, 7, /*close=*/true);
  ASSERT_EQ(LoadImage(image).value(), image.last());
  for (size_t bit = 0; bit < image.manifest.size() * 8; ++bit) {
    Image damaged = image;
    damaged.manifest = Flipped(image.manifest, bit);
    ExpectDamage(LoadImage(damaged), "bit " + std::to_string(bit));
  }
}

TEST(ManifestDamage, EveryCutIsFoundAfterAnOrderlyEnd) {
  const Image image = MakeImage(2, 7, /*close=*/true);
  for (size_t size = 0; size < image.manifest.size(); ++size) {
    Image damaged = image;
    damaged.manifest.resize(size);
    ExpectDamage(LoadImage(damaged), "size " + std::to_string(size));
  }
}

// The process died: CURRENT knows only the snapshot, the rest is vouched for by the seals.
TEST(ManifestDamage, EveryFlippedBitBelowTheLastSealIsFoundAfterACrash) {
  const Image image = MakeImage(3, 7, /*close=*/false);
  ASSERT_EQ(LoadImage(image).value(), image.last());
  const size_t seal = image.manifest.size() - kSealBytes;
  for (size_t bit = 0; bit < image.manifest.size() * 8; ++bit) {
    Image damaged = image;
    damaged.manifest = Flipped(image.manifest, bit);
    const auto loaded = LoadImage(damaged);
    if (bit / 8 < seal) {
      ExpectDamage(loaded, "bit " + std::to_string(bit));
    } else {
      // A seal that was being written when the power failed. Nothing depends on it.
      ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
      EXPECT_EQ(*loaded, image.last());
    }
  }
}

// The power failed before the last seal reached the disk. Only the last group has nobody to vouch
// for it: broken, it looks like an append that was cut off.
TEST(ManifestDamage, WithoutTheLastSealOnlyTheLastGroupCanPassForATornTail) {
  Image image = MakeImage(4, 7, /*close=*/false);
  image.manifest.resize(image.manifest.size() - kSealBytes);
  ASSERT_EQ(LoadImage(image).value(), image.last());
  const State& before_last = image.states[image.states.size() - 2].second;
  const uint64_t seal_before_last = image.states[image.states.size() - 2].first;
  for (size_t bit = 0; bit < image.manifest.size() * 8; ++bit) {
    Image damaged = image;
    damaged.manifest = Flipped(image.manifest, bit);
    const auto loaded = LoadImage(damaged);
    if (bit / 8 < seal_before_last) {
      ExpectDamage(loaded, "bit " + std::to_string(bit));
      continue;
    }
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    // The seal before the last group may be torn while the group is whole: nothing is lost then.
    const bool in_group = bit / 8 >= seal_before_last + kSealBytes;
    EXPECT_EQ(*loaded, in_group ? before_last : image.last());
  }
}

TEST(ManifestDamage, ACutAfterACrashLeavesWholeGroupsOrIsFound) {
  const Image image = MakeImage(5, 7, /*close=*/false);
  const uint64_t snapshot = image.states.front().first;
  for (size_t size = 0; size < image.manifest.size(); ++size) {
    Image damaged = image;
    damaged.manifest.resize(size);
    const auto loaded = LoadImage(damaged);
    if (size < snapshot) {
      ExpectDamage(loaded, "size " + std::to_string(size));
    } else {
      ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
      EXPECT_EQ(*loaded, image.At(size));
    }
  }
}

// What a torn append leaves: a part of the group, then zeros, garbage or nothing.
TEST(ManifestDamage, ATornAppendIsDroppedWhateverItLeft) {
  const Image image = MakeImage(6, 7, /*close=*/false);
  const Image longer = MakeImage(6, 7, /*close=*/false, 7);
  ASSERT_TRUE(longer.manifest.starts_with(image.manifest));
  const size_t group_end = longer.manifest.size() - kSealBytes;
  base::Random random(6);
  for (size_t size = image.manifest.size(); size < group_end; ++size) {
    for (int tail = 0; tail < 3; ++tail) {
      Image torn = longer;
      torn.manifest.resize(size);
      for (size_t i = size; tail > 0 && i < group_end + 100; ++i) {
        torn.manifest += tail == 1 ? '\0' : static_cast<char>(random.Next());
      }
      const auto loaded = LoadImage(torn);
      ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
      EXPECT_EQ(*loaded, image.last());
    }
  }
}

TEST(ManifestDamage, EveryFlippedBitAndEveryCutOfCurrentIsFound) {
  const Image image = MakeImage(7, 0xfeedULL << 32, /*close=*/true);
  for (size_t bit = 0; bit < image.current.size() * 8; ++bit) {
    Image damaged = image;
    damaged.current = Flipped(image.current, bit);
    const auto loaded = LoadImage(damaged);
    ASSERT_FALSE(loaded.ok());
    EXPECT_EQ(loaded.status().ToString().find("Corruption: /db/CURRENT: "), 0u)
        << loaded.status().ToString();
  }
  for (size_t size = 0; size < image.current.size(); ++size) {
    Image damaged = image;
    damaged.current.resize(size);
    EXPECT_TRUE(LoadImage(damaged).status().IsCorruption());
  }
  for (const char* more : {"\n", " ", "x", "checksum 0123456789abcdef\n"}) {
    Image damaged = image;
    damaged.current += more;
    EXPECT_TRUE(LoadImage(damaged).status().IsCorruption());
  }
  Image huge = image;
  huge.current.resize(1 << 20, '\n');
  EXPECT_TRUE(LoadImage(huge).status().IsCorruption());
}

TEST(ManifestDamage, FilesOfAnotherDatabaseAreRefused) {
  const Image mine = MakeImage(8, 7, /*close=*/true);
  const Image other = MakeImage(8, 8, /*close=*/true);
  Image mixed = mine;
  mixed.manifest = other.manifest;
  const Status status = LoadImage(mixed).status();
  EXPECT_EQ(status.ToString(),
            "Corruption: /db/MANIFEST-000001: belongs to another place: it says it is "
            "MANIFEST-000001 of database 8, CURRENT asks for database 7");
  // Records of the other one behind the header of this one.
  mixed.manifest = mine.manifest.substr(0, kFileHeaderBytes) +
                   other.manifest.substr(kFileHeaderBytes);
  ExpectDamage(LoadImage(mixed), "records of another database");
  // This database, another manifest of it.
  Image renamed = mine;
  renamed.current = EncodeCurrent({{7, 2}, mine.manifest.size()});
  renamed.manifest_name = "MANIFEST-000002";
  EXPECT_TRUE(LoadImage(renamed).status().IsCorruption());
}

TEST(ManifestDamage, MovedRecordsAreFound) {
  const Image closed = MakeImage(9, 7, /*close=*/true);
  const Image image = MakeImage(9, 7, /*close=*/false);
  // Each group with its seal: taken out; put in once more; the bytes of an earlier one in its
  // place.
  for (size_t i = 1; i < image.states.size(); ++i) {
    const std::string where = "group " + std::to_string(i);
    const uint64_t begin = image.states[i - 1].first + (i > 1 ? kSealBytes : 0);
    const uint64_t end = image.states[i].first + kSealBytes;
    Image moved = closed;
    moved.manifest.erase(begin, end - begin);
    ExpectDamage(LoadImage(moved), where);
    if (i + 1 == image.states.size()) break;
    moved = closed;
    moved.manifest.insert(end, closed.manifest.substr(begin, end - begin));
    ExpectDamage(LoadImage(moved), where);
    moved = image;
    std::copy_n(image.manifest.begin() + kFileHeaderBytes, end - begin,
                moved.manifest.begin() + static_cast<std::ptrdiff_t>(begin));
    ExpectDamage(LoadImage(moved), where);
  }
}

TEST(ManifestDamage, FilesOfANewerVersionAreNotCalledDamaged) {
  Image image = MakeImage(10, 7, /*close=*/true);
  const std::string manifest = image.manifest;
  const std::string current = image.current;
  const auto refusal = [&] {
    const Status status = LoadImage(image).status();
    EXPECT_EQ(status.code(), StatusCode::kNotSupported) << status.ToString();
    EXPECT_NE(status.message().find("written by a newer version"), std::string::npos);
  };
  image.manifest.replace(0, kFileHeaderBytes, EncodeFileHeader({kFormatVersion + 1, {7, 1}}));
  refusal();

  // A group with a field that must be understood.
  const std::string payload("\x03\x50\x01\x00", 4);
  image.manifest = manifest;
  image.manifest +=
      EncodeGroup({7, 1}, manifest.size(), manifest.size(), 1, Slice(payload).substr(0, 3));
  EXPECT_TRUE(LoadImage(image).status().IsCorruption()) << "the edit is cut short";
  image.manifest = manifest;
  image.manifest += EncodeGroup({7, 1}, manifest.size(), manifest.size(), 1,
                                Slice("\x02\x50\x01", 3));
  refusal();

  image.manifest = manifest;
  image.current = current;
  image.current.replace(image.current.find('1'), 1, "2");
  EXPECT_TRUE(LoadImage(image).status().IsCorruption()) << "the checksum is of version 1";
}

// A group whose checksums hold and whose contents make no sense is a defect of the writer: refused
// too.
TEST(ManifestDamage, GroupsThatMakeNoSenseAreRefused) {
  const Image image = MakeImage(11, 7, /*close=*/true);
  const uint64_t end = image.manifest.size();
  const auto message = [&](const std::string& group) {
    Image odd = image;
    odd.manifest += group;
    const auto loaded = LoadImage(odd);
    ExpectDamage(loaded, "group");
    return std::string(loaded.status().message());
  };
  VersionEdit edit;
  edit.removed = {{0, 4711}};
  std::string payload;
  AppendEdit(edit, &payload);
  const std::string at = "/db/MANIFEST-000001, offset " + std::to_string(end) + ": ";
  EXPECT_EQ(message(EncodeGroup({7, 1}, end, end, 1, payload)),
            at + "file 4711: removed from level 0, which does not hold it");
  EXPECT_EQ(message(EncodeGroup({7, 1}, end, end, 2, payload)),
            at + "the group has another number of edits than it says");
  payload.pop_back();
  EXPECT_EQ(message(EncodeGroup({7, 1}, end, end, 1, payload)), at + "an edit is cut short");
}

TEST(ManifestDamage, EnumerationShowsTheGroupsBeforeTheDamage) {
  const Image image = MakeImage(12, 7, /*close=*/false);
  MemoryFileSystem fs;
  ASSERT_TRUE(fs.CreateDirectory(kDir).ok());
  WriteFile(&fs, "whole", image.manifest);
  std::vector<uint64_t> ends;
  const auto note = [&](const LoggedGroup& group) { ends.push_back(group.offset + group.bytes); };
  const auto summary = EnumerateManifest(&fs, "/db/whole", note);
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->header.identity, (FileIdentity{7, 1}));
  EXPECT_EQ(summary->file_bytes, image.manifest.size());
  EXPECT_EQ(summary->torn_bytes, 0u);
  ASSERT_EQ(ends.size(), image.states.size());
  for (size_t i = 0; i < ends.size(); ++i) EXPECT_EQ(ends[i], image.states[i].first);

  ends.clear();
  WriteFile(&fs, "broken", Flipped(image.manifest, image.states[3].first * 8 - 1));
  EXPECT_TRUE(EnumerateManifest(&fs, "/db/broken", note).status().IsCorruption());
  EXPECT_EQ(ends.size(), 3u);
}

// Whatever the bytes are, reading them ends in a Status or a State.
TEST(ManifestDamage, RandomBytesNeverHurt) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    EditGenerator generator(seed);
    base::Random& random = generator.random();
    const Image image = MakeImage(seed, 7, random.OneIn(2));
    for (int i = 0; i < 100; ++i) {
      Image damaged = image;
      std::string& bytes = random.OneIn(8) ? damaged.current : damaged.manifest;
      const size_t from = random.Uniform(bytes.size());
      const std::string noise = generator.Bytes(100);
      switch (random.Uniform(3)) {
        case 0: bytes.replace(from, noise.size(), noise); break;
        case 1: bytes.insert(from, noise); break;
        default: bytes.erase(from, noise.size());
      }
      const auto loaded = LoadImage(damaged);
      if (!loaded.ok()) continue;
      const auto same = [&](const auto& known) { return known.second == *loaded; };
      EXPECT_TRUE(std::any_of(image.states.begin(), image.states.end(), same));
    }
    // Random payloads under checksums that hold.
    for (int i = 0; i < 200; ++i) {
      Image odd = image;
      const uint64_t end = odd.manifest.size();
      std::string payload;
      base::PutLengthPrefixed(&payload, generator.Bytes(30));
      odd.manifest += EncodeGroup({7, 1}, end, end, 1, payload);
      LoadImage(odd).status().IgnoreError();
    }
  }
}

}  // namespace
}  // namespace nokv::manifest
