#pragma once

#include <cstdint>
#include <string>

namespace nokv {

// A named, separate key space of one database. Made and owned by the DB; valid until the DB closes, or
// until the family is dropped and its last user has let go: after DropColumnFamily every call with it
// fails with kInvalidArgument. Thread-safe.
class ColumnFamily {
 public:
  ColumnFamily(std::string name, uint32_t id) : name_(std::move(name)), id_(id) {}
  ColumnFamily(const ColumnFamily&) = delete;
  ColumnFamily& operator=(const ColumnFamily&) = delete;

  const std::string& name() const { return name_; }
  // Never used again for another family of the same database.
  uint32_t id() const { return id_; }

 private:
  const std::string name_;
  const uint32_t id_;
};

}  // namespace nokv
