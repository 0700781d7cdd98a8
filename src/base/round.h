#pragma once

// Rounding to multiples: of pages, cache lines, blocks of a device.

#include <concepts>
#include <type_traits>

namespace nokv::base {

// The smallest multiple that is not less than `n`. REQUIRES: `multiple` is not 0, and the result fits.
template <std::unsigned_integral T>
constexpr T RoundUp(T n, std::type_identity_t<T> multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace nokv::base
