#include "ownership.h"

#include <algorithm>

#include "exchange.h"

namespace loom::proxy {
namespace {

constexpr uint64_t name_bytes = 256;  // of an id, as it was read, asked for and answered

}  // namespace

store::ResourceKey key_of(const llm::ResourceName& name) {
    return {.kind = std::string(llm::kind_name(name.kind)), .id = name.id};
}

Ownership::Ownership(Exchange& exchange, Services& services, const llm::ResourceCall& given_call,
                     std::string_view given_id)
    : RegisterAsker(services),
      BodyHold(services.bodies()),
      call(given_call),
      id(given_id),
      exchange_(exchange),
      services_(services) {}

void Ownership::ask(RegisterStage what, store::ResourceQuestion question) {
    stage_ = what;
    ask_register(std::move(question));
}

void Ownership::on_register_answer(Result<store::ResourceAnswer> answer) noexcept {
    answer_ = std::move(answer);
    exchange_.on_register_answer();
}

CollectedAnswer& Ownership::collect() {
    return collected_.emplace(services_.shard().blocks(), services_.plan().limits.body_bytes);
}

Result<void> Ownership::hold_memory() {
    const uint64_t collected_bytes = collected_ ? collected_->memory_bytes() : 0;
    if (hold(collected_bytes + page.size() + (asked_ids.size() + list.elements.size()) * name_bytes)) return {};
    let_go();
    return fail(Errc::exhausted, Side::internal, "no memory for one more answer (limit.bodies_in_memory)");
}

void Ownership::forget_events() noexcept {
    forget_register();
    event_written_ = false;
}

Verdict Ownership::on_event(const EventView& event, llm::Edits&) {
    if (std::exchange(event_written_, false)) return Verdict::pass;
    std::vector<llm::ResourceName> made = services_.resource_reader.read_event(event.data);
    std::erase_if(made, [this](const auto& name) { return std::ranges::find(written_, name) != written_.end(); });
    if (made.empty()) return Verdict::pass;
    event_written_ = true;
    written_.insert(written_.end(), made.begin(), made.end());
    exchange_.ask_to_write(RegisterStage::event, made);
    return Verdict::suspend;
}

}  // namespace loom::proxy
