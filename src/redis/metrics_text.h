#pragma once

// The metrics as text: Prometheus' exposition format, and JSON with the field names of the original
// NoKV's statistics.

#include <string>

#include "redis/service.h"

namespace nokv::redis {

std::string PrometheusText(Service& service);
// {"NoKV.Stats": {"redis": {...}, "engine": <engine_json>}}
std::string MetricsJson(Service& service, const std::string& engine_json);

}  // namespace nokv::redis
