// A plan as a configuration makes it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "fake_source.h"
#include "keys/keys.h"
#include "plan/builder.h"
#include "tls_files.h"

namespace loom::app {

/// Behind five lines that a configuration needs: an embedded provider `a` of the model `m`, and a consumer `c`.
/// limits  where what is taken is counted; null: a table of its own.
[[nodiscard]] inline std::shared_ptr<const proxy::Plan> plan_of(const std::string& text,
                                                                tenant::LimitTable* limits = nullptr) {
    const std::string base =
        "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.a.type = echo\n"
        "provider.a.models = m\nconsumer.c.api_key = sk-0123456789abcdef\n";
    auto loaded = config::load_text(base + text);
    EXPECT_TRUE(loaded.config) << text << config::all_of(loaded.diagnostics);
    if (!loaded.config) return nullptr;
    observe::Metrics metrics(1);
    TlsFiles files;
    route::TargetTable targets;
    tenant::LimitTable own;
    auto plan = build_plan(*loaded.config, metrics, files, targets, limits != nullptr ? *limits : own, 1);
    EXPECT_TRUE(plan.has_value()) << text;
    return plan ? *plan : nullptr;
}

}  // namespace loom::app
