// What one request has to do with the cache: its key, the answer that is kept or under way, and its own answer for
// those who come later.
//
// It stands between who may take the request and who is asked: whatever refuses a request has done so before, and
// nobody's limit but the client's own is touched. A friend of the exchange, which it belongs to.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "body_budget.h"
#include "cache_desk.h"
#include "loom/http/head_parser.h"
#include "loom/http/head_writer.h"
#include "loom/llm/request.h"
#include "loom/proxy/relay.h"
#include "loom/proxy/semantic_cache.h"
#include "loom/tenant/ledger_record.h"

namespace loom::llm {
class AnswerForms;
}

namespace loom::proxy {

class Exchange;
class SemanticVisit;
struct EmbedPayer;

/// As clients, the log and the counters are told.
enum class CacheStatus : uint8_t { bypass, miss, hit, stale, semantic };
inline constexpr size_t cache_status_count = 5;
[[nodiscard]] std::string_view cache_status_name(CacheStatus status) noexcept;

class CacheVisit final : public PayloadTap, public SemanticAsker, BodyHold {
  public:
    /// Null where answers to such requests are not kept.
    [[nodiscard]] static std::unique_ptr<CacheVisit> begin(Exchange& exchange, const http::RequestHead& head);
    explicit CacheVisit(Exchange& exchange);
    ~CacheVisit();

    /// The request is known, and who may take it. What follows goes on only if neither answered() nor waits().
    /// Errors  limited (downstream): a budget is spent, and the client wants no answer but one that is kept.
    [[nodiscard]] Result<void> look_up(const llm::Request& request, const route::ModelMatch& match);
    /// Who is asked is known; it may be told again, for the next one. Where no order says who goes first, this one
    /// does.
    void note_asked(std::string_view upstream_model) noexcept {
        if (first_model_.empty()) first_model_ = upstream_model;
    }
    [[nodiscard]] bool waits() const noexcept;
    [[nodiscard]] bool answered() const noexcept { return answered_; }
    /// After a wake-up: the answer is given, or the request goes on.
    [[nodiscard]] Result<void> look_at_answer();
    void on_answer() noexcept;
    void on_semantic_answer() noexcept override;
    void on_embedding_cost(Money cost) noexcept override;

    // Of the answer that comes for this request.
    /// The relay is about to begin with this head of its source.
    void watch(RelayOptions& options, const http::ResponseHead& head);
    /// It came whole, and goes to the client as this.
    void take_document(int status, std::string_view document);
    /// The request is over but for its bookkeeping.
    void finish();
    /// It hears no more of a vector that is on its way.
    void leave_embedder() noexcept;

    /// An old answer is there, for the case that the provider's own is an error.
    [[nodiscard]] bool has_stale() const noexcept { return stale_ != nullptr; }
    /// Is there an answer for a request that failed? Then it is given.
    [[nodiscard]] bool answers_stale(const Error& why);
    void write_lines(http::HeadWriter& head) const;
    /// "" of a request that was refused before it was looked up.
    [[nodiscard]] std::string_view status_name() const noexcept {
        return looked_ ? cache_status_name(status_) : std::string_view{};
    }
    static constexpr size_t lines_bytes_max = 160;

    void on_payload(std::string_view bytes) noexcept override;
    void on_event(const llm::EventFacts& facts) noexcept override;

  private:
    struct Wait : io::Timer {
        explicit Wait(CacheVisit& v) : Timer(&CacheVisit::on_wait_over), visit(v) {}
        CacheVisit& visit;
    };
    static void on_wait_over(io::Timer& timer) noexcept;
    void on_room() noexcept override {}

    void read_wishes(const http::RequestHead& head);
    [[nodiscard]] bool is_cacheable(const llm::Request& request, const route::ModelMatch& match) const;
    template <class Do>
    void each_taker(const route::ModelMatch& match, Do what) const;
    [[nodiscard]] std::string_view preferred_model(const route::ModelMatch& match) const;
    /// document  the request's, or what of it counts.
    [[nodiscard]] std::optional<cache::Key> key_of(const llm::Request& request, const route::ModelMatch& match,
                                                   std::string_view document, std::string whose) const;
    [[nodiscard]] std::string scope() const;
    [[nodiscard]] std::string like_scope() const;
    [[nodiscard]] bool budget_is_spent() const;
    void ask(const llm::Request& request, const route::ModelMatch& match);
    [[nodiscard]] bool take_found();
    void go_on_without();
    void prepare_semantic(const llm::Request& request, const route::ModelMatch& match);
    [[nodiscard]] bool may_be_embedded() const;
    [[nodiscard]] EmbedPayer payer() const;
    void take_semantic();
    [[nodiscard]] bool take_shared();
    [[nodiscard]] bool give_like(const LikeAnswer& like);
    [[nodiscard]] bool take_events(llm::AnswerForms& forms, std::string_view events) const;
    [[nodiscard]] bool give(const cache::Answer& answer, CacheStatus status);
    [[nodiscard]] bool give_other_form(const cache::Answer& answer, CacheStatus status);
    [[nodiscard]] bool reply(std::string_view body, const cache::Answer& answer, CacheStatus status);
    void refuse_miss();
    void begin_capture(cache::Form form);
    void end_capture() noexcept;
    [[nodiscard]] bool is_whole() const;
    [[nodiscard]] bool stream_is_whole() const;
    [[nodiscard]] cache::AnswerPtr make_answer() const;
    void give_up() noexcept;
    void drop_question() noexcept;
    [[nodiscard]] cache::Form wanted_form() const noexcept;
    [[nodiscard]] tenant::LedgerLocalExit layer() const noexcept;

    Exchange& x_;
    CacheDesk& desk_;
    CacheTicketPtr ticket_;                    // once it has a key
    std::unique_ptr<SemanticVisit> semantic_;  // of a request whose like may be answered
    cache::AnswerPtr stale_;                   // for the case that nobody answers
    ByteBuffer captured_;
    cache::Form form_ = cache::Form::document;  // of what is captured
    CacheStatus status_ = CacheStatus::bypass;
    cache::Key kept_key_;    // of the request whose answer is given to this one, which is nearly the same
    float similarity_ = 0;   // … and how near it is
    LikeAnswer given_like_;  // for those who wait for this one's
    uint64_t age_s_ = 0;
    uint64_t max_age_ms_ = UINT64_MAX;
    std::string_view first_model_;  // as who is asked first calls it: another's answer is not kept
    uint32_t choices_ = 1;          // that the client wants
    bool finds_ = true;             // the client takes what is kept
    bool keeps_ = true;             // and lets its own be kept
    bool only_ = false;             // nothing else will do
    bool wants_usage_ = false;
    bool looked_ = false;
    bool answered_ = false;
    bool waits_ = false;
    bool joined_ = false;  // what is given was another one's, which was under way
    bool capturing_ = false;
    bool finished_ = false;   // the stream that is captured says why it ended …
    bool cut_short_ = false;  // … and it is not that the model was done
    bool done_ = false;       // it says itself that it is over
    bool is_over_ = false;
    Wait wait_{*this};
};

}  // namespace loom::proxy
