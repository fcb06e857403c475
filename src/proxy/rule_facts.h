// What rules may ask of an exchange: each answer is found when it is asked for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loom/llm/request.h"
#include "loom/route/catalogue.h"
#include "loom/route/estimate.h"
#include "loom/rule/facts.h"

namespace loom::proxy {

class Exchange;

/// Good while the request that was read is. No allocation from the heap. For rules of access, which nobody may pass by
/// another spelling: the model is the one that is asked about, and the path is as servers read it.
class RuleFacts final : public rule::Facts {
  public:
    RuleFacts(Exchange& exchange, const llm::Request& request) noexcept : x_(exchange), request_(request) {}
    /// For a rule of access.
    /// model  by one of its names; "": nobody has named one.
    /// who    may answer, or has a copy: of the model's tags, those that it has here and there. Null: those that it has
    ///        anywhere.
    RuleFacts(Exchange& exchange, const llm::Request& request, std::string_view model,
              const route::Candidate* who) noexcept
        : x_(exchange), request_(request), model_(model), who_(who) {}

    [[nodiscard]] rule::Value get(rule::Attribute attribute, std::string_view name) const noexcept override;

  private:
    [[nodiscard]] rule::Value of_head(rule::Attribute attribute, std::string_view name) const noexcept;
    [[nodiscard]] rule::Value of_consumer(rule::Attribute attribute) const noexcept;
    [[nodiscard]] rule::Value roles() const noexcept;
    [[nodiscard]] rule::Value claim(std::string_view name) const noexcept;
    [[nodiscard]] rule::Value list(const std::vector<std::string>& texts) const noexcept;
    [[nodiscard]] rule::Value of_prompt(rule::Attribute attribute) const noexcept;
    [[nodiscard]] rule::Value of_time(rule::Attribute attribute) const noexcept;
    [[nodiscard]] rule::Value header(std::string_view name) const noexcept;
    [[nodiscard]] rule::Value query(std::string_view name) const noexcept;
    [[nodiscard]] rule::Value address() const noexcept;
    [[nodiscard]] rule::Value path() const noexcept;
    [[nodiscard]] rule::Value region() const noexcept;
    [[nodiscard]] rule::Value tags() const noexcept;
    [[nodiscard]] const route::Estimate& estimate() const noexcept;

    Exchange& x_;
    const llm::Request& request_;
    std::optional<std::string_view> model_;  // of a rule of access
    mutable IpBytes ip_{};
    const route::Candidate* who_ = nullptr;
    mutable std::optional<rule::Value> roles_;  // once for all rules
    mutable std::optional<rule::Value> tags_;   // likewise
    mutable std::optional<route::Estimate> estimate_;
};

}  // namespace loom::proxy
