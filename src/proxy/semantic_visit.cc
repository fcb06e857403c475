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

/// Has the text its vector, or is the index's thread to make it? Else it is asked for, or there is none.
bool SemanticVisit::embed(const SemanticPlan& terms) {
    if (terms.embedding == nullptr || vector_ != nullptr) return true;
    if (desk_ == nullptr) return false;
    const EmbedDesk::Asked asked = desk_->ask(*terms.embedding, cache_, scope_, text_, payer_, *this);
    vector_ = asked.vector;
    vector_made_ms_ = asked.made_ms;
    return vector_ != nullptr;
}

bool SemanticVisit::ask(const SemanticPlan& terms, uint64_t stored_from_ms) {
    asked_ = true;
    terms_ = &terms;
    stored_from_ms_ = stored_from_ms;
    if (embed(terms)) return search();
    waits_ = EmbedWaiter::linked() && !terms.only_counts;
    return waits_;
}

void SemanticVisit::prepare_to_keep(const SemanticPlan& terms) { (void)embed(terms); }

/// The vector is there, or there is none: then it goes on as a miss.
void SemanticVisit::on_embedded(const Embedded& embedded) noexcept {
    vector_ = embedded.vector;
    vector_made_ms_ = embedded.made_ms;
    if (embedded.cost > 0) waiter_.on_embedding_cost(embedded.cost);
    if (terms_ == nullptr) return;  // it is for what is to be kept alone
    const bool is_waited_for = std::exchange(waits_, false);
    const bool goes_on = vector_ != nullptr && search();
    if (is_waited_for && !goes_on) waiter_.on_semantic_answer();
}

/// Of the thread that has the index.
bool SemanticVisit::search() {
    const SemanticPlan& terms = *terms_;
    auto ticket = std::make_shared<SemanticTicket>();
    ticket->partition = partition_;
    ticket->scope = scope_;
    ticket->text = text_;
    ticket->similarity_min = terms.similarity_min;
    ticket->embedder = terms.embedding != nullptr ? terms.embedding->identity : 0;
    ticket->vector = vector_;
    ticket->stored_from_ms = stored_from_ms_;
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
    EmbedWaiter::unlink();
    if (!std::exchange(waits_, false) || ticket_ == nullptr) return;
    wait_.disarm();
    ticket_->asker = nullptr;
    ticket_->is_forgotten.store(true, std::memory_order_relaxed);
    ticket_.reset();
}

void SemanticVisit::on_semantic_answer() noexcept {
    ticket_->asker = nullptr;
    vector_ = ticket_->vector;  // for the answer, if it is a miss
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
    if (terms.embedding != nullptr && vector_ == nullptr) return;
    const uint64_t fresh_until_ms = answer->stored_ms + terms.ttl_ms;
    cache_.put({.partition = partition_,
                .entry = {.key = key,
                          .scope = std::move(scope_),
                          .text = std::move(text_),
                          .answer = std::move(answer),
                          .fresh_until_ms = fresh_until_ms},
                .embedder = terms.embedding != nullptr ? terms.embedding->identity : 0,
                .vector = std::move(vector_),
                .made_ms = vector_made_ms_,
                .purges_seen = purges_seen});
}

}  // namespace loom::proxy
