#pragma once

// The metrics as text: Prometheus' exposition format, and JSON with the field names of the original
// NoKV's statistics.

#include <string>

#include "redis/service.h"
#include "redis/store.h"

namespace nokv::redis {

std::string PrometheusText(Service& service, Store& store);
// {"NoKV.Stats": {"redis": {...}, "engine": <engine_json>}}
std::string MetricsJson(Service& service, const std::string& engine_json);

}  // namespace nokv::redis
