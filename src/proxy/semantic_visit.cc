#include "semantic_visit.h"

namespace loom::proxy {

SemanticVisit::SemanticVisit(SemanticAsker& waiter, SemanticCache& cache, io::Shard& shard, const cache::Key& partition,
                             std::string scope, std::string text)
    : waiter_(waiter),
      cache_(cache),
      shard_(shard),
      partition_(partition),
      scope_(std::move(scope)),
      text_(std::move(text)) {
    text_.shrink_to_fit();  // it is held as long as the request is there
}

SemanticVisit::~SemanticVisit() {
    wait_.unlink();
    forget();
}

bool SemanticVisit::ask(const SemanticPlan& terms, uint64_t stored_from_ms) {
    asked_ = true;
    auto ticket = std::make_shared<SemanticTicket>();
    ticket->partition = partition_;
    ticket->scope = scope_;
    ticket->text = text_;
    ticket->similarity_min = terms.similarity_min;
    ticket->stored_from_ms = stored_from_ms;
    ticket->home = shard_.index();
    ticket->asked_ms = shard_.timers().now_ms();
    if (terms.only_counts) {  // nobody waits for what nobody is given
        (void)cache_.ask(std::move(ticket));
        return false;
    }
    ticket->asker = this;
    ticket_ = ticket;
    if (!cache_.ask(std::move(ticket))) {
        ticket_.reset();
        return false;
    }
    waits_ = true;
    shard_.timers().arm(wait_, SemanticCache::wait_ms_max);
    return true;
}

void SemanticVisit::forget() noexcept {
    if (!std::exchange(waits_, false)) return;
    wait_.disarm();
    ticket_->asker = nullptr;
    ticket_->is_forgotten.store(true, std::memory_order_relaxed);
    ticket_.reset();
}

void SemanticVisit::on_semantic_answer() noexcept {
    ticket_->asker = nullptr;
    waits_ = false;
    wait_.disarm();
    waiter_.on_semantic_answer();
}

/// Too late: the request goes on. What may still come finds nobody.
void SemanticVisit::on_wait_over(io::Timer& timer) noexcept {
    SemanticVisit& self = static_cast<Wait&>(timer).visit;
    self.forget();
    self.cache_.note_late();
    self.waiter_.on_semantic_answer();
}

void SemanticVisit::keep(const SemanticPlan& terms, const cache::Key& key, cache::AnswerPtr answer,
                         uint64_t purges_seen) {
    const uint64_t fresh_until_ms = answer->stored_ms + terms.ttl_ms;
    cache_.put({.partition = partition_,
                .entry = {.key = key,
                          .scope = std::move(scope_),
                          .text = std::move(text_),
                          .answer = std::move(answer),
                          .fresh_until_ms = fresh_until_ms},
                .purges_seen = purges_seen});
}

}  // namespace loom::proxy
