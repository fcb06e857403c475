// Text that must not outlive its use: overwritten when it goes, never printed by accident.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "loom/base/crypto.h"

namespace loom {

/// Moves, and does not copy. Build a long one with reserve() first: growth leaves a copy behind.
class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string text) noexcept : text_(std::move(text)) { secure_wipe(text); }
    Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { secure_wipe(other.text_); }
    Secret& operator=(Secret&& other) noexcept {
        if (this == &other) return *this;
        secure_wipe(text_);
        text_ = std::move(other.text_);
        secure_wipe(other.text_);  // a short text was copied, not moved
        return *this;
    }
    ~Secret() { secure_wipe(text_); }

    [[nodiscard]] std::string_view view() const noexcept { return text_; }
    [[nodiscard]] bool empty() const noexcept { return text_.empty(); }
    /// To write into.
    [[nodiscard]] std::string& text() noexcept { return text_; }

  private:
    std::string text_;
};

}  // namespace loom
