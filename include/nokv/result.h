#pragma once

// Result<T>: a T, or the Status that says why there is none.

#include <optional>
#include <utility>

#include "nokv/status.h"

namespace nokv {

template <typename T>
class [[nodiscard]] Result {
 public:
  // Both conversions are implicit so that a function can `return value;` or `return status;`.
  Result(T value) : value_(std::move(value)) {}        // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    if (status_.ok()) status_ = Status::InvalidArgument("a Result was made from an OK status");
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }

  // REQUIRES: ok().
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return *std::move(value_); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace nokv

#define NOKV_CONCAT_INNER_(a, b) a##b
#define NOKV_CONCAT_(a, b) NOKV_CONCAT_INNER_(a, b)

// NOKV_ASSIGN_OR_RETURN(auto file, Open(...)): the value, or an early return with the error.
#define NOKV_ASSIGN_OR_RETURN(declaration, expression) \
  NOKV_ASSIGN_OR_RETURN_INNER_(NOKV_CONCAT_(nokv_result_, __LINE__), declaration, expression)
#define NOKV_ASSIGN_OR_RETURN_INNER_(result, declaration, expression) \
  auto result = (expression);                                         \
  if (!result.ok()) return std::move(result).status();                \
  declaration = std::move(result).value()
