// What an exchange holds whose request makes, names or lists what a provider keeps: whose that is, as the register
// says, and the answer, where its ids must be known before its client sees them.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "batch_upload.h"
#include "body_budget.h"
#include "collected_answer.h"
#include "loom/base/crypto.h"
#include "loom/llm/resource_reader.h"
#include "loom/llm/usage.h"
#include "loom/proxy/relay.h"
#include "register_asker.h"

namespace loom::proxy {

class Exchange;
class Services;

constexpr uint32_t pages_max = 64;  // of a list, one behind the other, of which nothing is the client's
constexpr size_t page_limit = 100;  // what every provider gives at once

/// As the register knows what has this name.
[[nodiscard]] store::ResourceKey key_of(const llm::ResourceName& name);

/// What the register is asked about.
enum class RegisterStage : uint8_t {
    request,   // what the request names
    elements,  // those of a list that came
    answer,    // what the answer brings
    event,     // what an event of a streamed answer brings; the stream is suspended meanwhile
};

class Ownership final : public EventObserver, RegisterAsker, BodyHold {
  public:
    /// call  a row of the table, or one of the exchange's own that lives as long as the process.
    Ownership(Exchange& exchange, Services& services, const llm::ResourceCall& call, std::string_view id);

    /// One question at a time; Exchange::on_register_answer follows (register_asker.h).
    void ask(RegisterStage what, store::ResourceQuestion question);
    [[nodiscard]] bool asks() const noexcept { return waits_for_register(); }
    [[nodiscard]] RegisterStage stage() const noexcept { return stage_; }
    [[nodiscard]] Result<store::ResourceAnswer> take_answer() noexcept { return std::move(answer_); }

    /// A place for one more answer.
    CollectedAnswer& collect();
    [[nodiscard]] CollectedAnswer& collected() noexcept { return *collected_; }
    [[nodiscard]] bool answer_whole() const noexcept { return collected_ && collected_->whole(); }
    /// Counts what was collected, and what is known of its elements and of the request's names, among the bodies of
    /// limit.bodies_in_memory.
    [[nodiscard]] Result<void> hold_memory();

    // Of a streamed response: its ids are in the register before the client sees them.
    Verdict on_event(const EventView& event, llm::Edits& edits) override;
    std::string_view on_end() override { return {}; }
    /// Another attempt's events follow.
    void forget_events() noexcept;

    const llm::ResourceCall& call;
    const std::string_view id;                // of the path
    std::vector<llm::ResourceName> named;     // in the request
    std::vector<std::string_view> asked_ids;  // as the register was asked, in its order
    int64_t grown_bytes = 0;                  // of a form, by another name of its model
    int provider_ix = -1;                     // who has what is named; -1: nobody yet
    size_t instance_ix = 0;                   // of its instances
    std::string account;                      // who has what the path names, as the register spells it
    llm::ResourceList list;                   // that came
    std::vector<bool> keeps;                  // of it, by element
    llm::Usage usage;                         // of an answer that was collected
    uint32_t pages = 0;                       // of a list, asked for in the client's place
    size_t list_limit = 0;                    // that the client set for one page; known from the second on
    std::string page;                         // of a list of Google's, while it is seen whether more follows
    std::string page_token;                   // the provider's, for what does
    std::string_view upload_origin;           // of Google's uploads: where their client finds Loom, "https://host"
    Sha256 key_hash{};                        // of their client's key, which signs the address to go on at
    std::string upload_url;                   // that address, for the answer
    std::unique_ptr<BatchUpload> upload;      // of a file whose lines are read as it passes

  private:
    void on_register_answer(Result<store::ResourceAnswer> answer) noexcept override;
    void on_room() noexcept override {}

    Exchange& exchange_;
    Services& services_;
    Result<store::ResourceAnswer> answer_;
    std::optional<CollectedAnswer> collected_;
    std::vector<llm::ResourceName> written_;  // of the stream
    RegisterStage stage_ = RegisterStage::request;
    bool event_written_ = false;  // the one that the stream stands at
};

}  // namespace loom::proxy
