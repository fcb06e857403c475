// How an event is told: one JSON document, as Standard Webhooks recommends them
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "loom/tenant/alert.h"

namespace loom::app {

/// The same for the same event, however often and by whomever it is told: receivers know by it what they know. No `.`.
[[nodiscard]] std::string alert_id(const tenant::Alert& alert);

/// {"id","type","timestamp","text","data"}: text is a line for people; of amounts, tokens are numbers, money is decimal
/// text. Nothing of any prompt or key is in it.
[[nodiscard]] std::string alert_document(const tenant::Alert& alert, std::string_view id);

/// Its line for people.
[[nodiscard]] std::string alert_text(const tenant::Alert& alert);

/// `webhook-signature`: of "id.timestamp.document".
[[nodiscard]] std::string webhook_signature(std::string_view key, std::string_view id, int64_t unix_s,
                                            std::string_view document);

}  // namespace loom::app
