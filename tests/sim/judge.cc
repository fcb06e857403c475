// What may come of an exchange: the upstream's answer as it was; or, where something broke, a refusal of Loom's, an
// error event, or a connection broken off so that nobody takes what came for the whole.
#include <fmt/format.h>

#include <algorithm>

#include "client.h"

namespace loom::sim {
namespace {

constexpr std::string_view error_event = "data: {\"error\"";
constexpr std::string_view error_json = "{\"error\"";

/// retried  the status that was answered to an attempt before, 0 for none: it may tell more than the last failure.
bool is_refusal(const MessageReader& answer, int retried) noexcept {
    const int status = answer.status();
    return (status == retried || status == 408 || status == 502 || status == 503 || status == 504 || status == 400 ||
            status == 413) &&
           (answer.body().starts_with(error_json) || answer.body().empty());  // to HEAD, without
}

/// The body without what route.NAME.keepalive puts between the events.
std::string without_keepalives(std::string body) {
    constexpr std::string_view comment = ": keep-alive\n\n";
    for (size_t at = 0; (at = body.find(comment, at)) != body.npos;) body.erase(at, comment.size());
    for (size_t cut = comment.size(); cut > 0; --cut)  // one that was cut
        if (body.ends_with(comment.substr(0, cut))) body.resize(body.size() - cut);
    return body;
}

/// A stream that broke: whole events of the payload from its start, then one event that says so.
bool is_broken_stream(const Case& c, int status, std::string_view body) noexcept {
    const size_t at = body.rfind(error_event);
    if (at == body.npos || !body.ends_with("\n\n")) return false;
    const std::string_view before = body.substr(0, at);
    const bool at_border = before.empty() || before.ends_with("\n\n");
    const bool refused = c.status != 200 && before.empty();  // after its stream had been opened by keep-alives
    return status == 200 && at_border && (refused || std::string_view(c.payload).starts_with(before));
}

/// A stream that ends without a word: where others can be asked, it is no answer.
bool says_nothing(const Case& c) noexcept {
    return c.ask == Ask::stream && c.status == 200 && c.payload.find("\"delta\"") == std::string::npos;
}

/// After a pause there may be nobody left to ask: the answer before it is gone then, and its status is told with what
/// was tried.
bool names_attempts(const Case& c, const MessageReader& answer) {
    static constexpr std::string_view providers[] = {": one=", ": two=", ": spare="};  // who failed first
    return c.status >= 400 && answer.status() == c.status && answer.body().starts_with(error_json) &&
           std::ranges::any_of(providers, [&answer](std::string_view name) { return answer.body().contains(name); });
}

std::string differs(const Case& c, int status, std::string_view body) {
    size_t at = 0;
    while (at < body.size() && at < c.payload.size() && body[at] == c.payload[at]) ++at;
    return fmt::format("status {} where {} was sent, {} bytes of body where {} were, different from byte {}: '{}'",
                       status, c.status, body.size(), c.payload.size(), at, body.substr(at, 120));
}

std::string judge_own(const Case& c, const MessageReader& answer) {
    int wanted = 200;
    if (c.ask == Ask::no_route) wanted = 404;
    if (c.ask == Ask::bad_json || c.ask == Ask::bad_head) wanted = 400;
    if (answer.status() == wanted) {
        const bool ended = c.ask != Ask::echo_stream || answer.body().ends_with("data: [DONE]\n\n");
        return ended ? "" : "an echo's stream that ended without [DONE]";
    }
    if (c.slow_client && answer.status() == 408) return "";
    return fmt::format("status {} where {} was due: {}", answer.status(), wanted, answer.body().substr(0, 200));
}

/// A refusal or an error event of Loom's own that was cut, whatever came before it.
bool is_cut_error(const Case& c, std::string_view body) noexcept {
    if (c.ask != Ask::stream || c.status != 200) return body.starts_with(error_json) || error_json.starts_with(body);
    size_t at = body.rfind(error_event);
    if (at == body.npos) {  // cut within its first words
        const size_t border = body.rfind("\n\n");
        at = border == body.npos ? 0 : border + 2;
        if (!error_event.starts_with(body.substr(at))) return false;
    }
    return std::string_view(c.payload).starts_with(body.substr(0, at));
}

/// An answer whose framing says that it is whole.
std::string judge_whole(const Case& c, const MessageReader& answer, const JudgeContext& context, bool may_fail) {
    if (!c.has_upstream()) return judge_own(c, answer);
    if (context.spoiled && answer.status() == 200 && answer.body().empty()) return "";
    const std::string body = c.ask == Ask::stream ? without_keepalives(answer.body()) : answer.body();
    const bool same = answer.status() == c.status && body == c.payload;
    const bool sent_whole = c.fate == Fate::whole || c.fate == Fate::too_long;
    if (same && sent_whole) return "";
    const bool sse = c.ask == Ask::stream && c.status == 200;
    // Where only the closing ends a body, and the upstream closes, nobody can tell.
    const bool prefix = answer.status() == c.status && std::string_view(c.payload).starts_with(body);
    if (c.frame == Frame::close && c.fate == Fate::dies && c.stops_at >= c.answer_head_bytes && prefix &&
        (!sse || body.find("data: [DONE]") != std::string::npos))
        return "";
    if (c.ask == Ask::stream && c.status != 200 && is_broken_stream(c, answer.status(), body)) return "";
    if (same) return "whole, and the upstream had not sent it whole";
    if (!may_fail && context.fails_over && names_attempts(c, answer)) return "";
    if (!may_fail) return differs(c, answer.status(), body);
    if (is_refusal(answer, context.fails_over ? c.status : 0) ||
        (c.ask == Ask::stream && is_broken_stream(c, answer.status(), body)))
        return "";
    return "after a failure, " + differs(c, answer.status(), body);
}

}  // namespace

std::string judge(const Case& c, const Outcome& outcome, const JudgeContext& context) {
    const MessageReader& answer = outcome.answer;
    if (outcome.how == Outcome::How::left) return "";
    const bool raced = context.closes_idle && c.ask == Ask::upload;  // its body has gone with the stale connection
    const bool fate_fails = c.fate != Fate::whole && c.fate != Fate::too_long;
    const bool may_fail = fate_fails || c.hurt || c.half_closes || c.slow_client || c.slow_upstream ||
                          (c.has_upstream() && (context.links_fail || context.spoiled || raced)) ||
                          (context.fails_over && says_nothing(c));
    if (outcome.how == Outcome::How::whole) return judge_whole(c, answer, context, may_fail || c.early);
    if (outcome.how == Outcome::How::nothing) {
        // Where only the end delimits the answer, the reset that ends a broken one may take all of it along.
        const bool broke = c.http10 && (fate_fails || c.slow_upstream || (context.links_fail && c.has_upstream()));
        if (c.hurt || c.half_closes || broke || outcome.behind_another || context.draining || c.slow_client) return "";
        return "no answer, and the connection is over";
    }
    // A reset could take earlier answers along that their reader has not taken yet.
    const bool reset_due =
        answer.ends_by_close() || c.http10 || c.hurt || context.links_fail || context.draining || c.slow_client;
    if (outcome.how == Outcome::How::reset && !reset_due && !outcome.asked_ahead && c.has_upstream())
        return fmt::format("reset where its framing shows the cut, after {} bytes of body", answer.body().size());
    if (!may_fail && !outcome.asked_ahead && !(context.draining && !answer.head_done())) {
        return fmt::format("cut after {} bytes of body of {} (status {})", answer.body().size(), c.payload.size(),
                           answer.status());
    }
    if (!answer.head_done()) return "";
    const std::string body = c.ask == Ask::stream ? without_keepalives(answer.body()) : answer.body();
    const bool own = answer.status() != c.status;
    if (own || !c.has_upstream() || std::string_view(c.payload).starts_with(body)) return "";
    if (is_cut_error(c, body)) return "";
    return "cut, and " + differs(c, answer.status(), body);
}

}  // namespace loom::sim
