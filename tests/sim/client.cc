#include "client.h"

#include <algorithm>
#include <ctime>
#include <utility>

namespace loom::sim {
namespace {

constexpr uint64_t ns_per_ms = 1'000'000;

}  // namespace

void Client::start_reader() {
    read_bytes_ = 0;
    read_due_ns_ = 0;
    const bool head = read_at_ < cases_.size() && cases_[read_at_]->ask == Ask::plain_head;
    reader_.start(head ? MessageReader::Kind::answer_to_head : MessageReader::Kind::answer);
}

uint64_t Client::connect(uint64_t now_ns) {
    if (read_at_ == cases_.size()) return never_ns;
    Case& next = *cases_[read_at_];
    if (!std::exchange(thought_, true)) think_until_ns_ = now_ns + uint64_t{next.think_ms} * ns_per_ms;
    if (now_ns < think_until_ns_) return think_until_ns_;
    end_ = network_.knock();
    if (!end_) {  // nobody listens any more
        for (; read_at_ < cases_.size(); ++read_at_) cases_[read_at_]->judged = true;
        return never_ns;
    }
    first_at_ = write_at_ = read_at_;
    written_bytes_ = 0;
    half_closed_ = false;
    half_close_ns_ = 0;
    write_due_ns_ = read_due_ns_ = 0;
    waits_since_ns_ = now_ns;
    start_reader();
    return now_ns;
}

uint64_t Client::step(uint64_t now_ns, const JudgeContext& context) {
    now_ns_ = now_ns;
    if (!end_) return connect(now_ns);
    const uint64_t write_ns = write(now_ns, context);
    if (!end_) return now_ns;
    const uint64_t read_ns = read(now_ns, context);
    if (!end_) return now_ns;
    return std::min(write_ns, read_ns);
}

uint64_t Client::write(uint64_t now_ns, const JudgeContext& context) {
    for (int turns = 0; turns < 4; ++turns) {
        if (half_close_ns_ != 0 && !half_closed_) {
            if (now_ns < half_close_ns_) return half_close_ns_;
            half_closed_ = true;
            for (size_t i = read_at_; i < write_at_; ++i) cases_[i]->half_closes = true;  // they are left as well
            end_.end_sending();
        }
        if (half_closed_ || write_at_ == cases_.size() || write_at_ > read_at_ + ahead_max_) return never_ns;
        Case& c = *cases_[write_at_];
        if (written_bytes_ == 0 && !std::exchange(thought_, true))
            write_due_ns_ = now_ns + uint64_t{c.think_ms} * ns_per_ms;
        if (now_ns < write_due_ns_) return write_due_ns_;
        const size_t part = std::min({c.writing.bytes, c.request.size() - written_bytes_,
                                      c.leaves_after_sent - std::min(c.leaves_after_sent, written_bytes_)});
        const size_t taken = end_.write(std::string_view(c.request).substr(written_bytes_, part));
        if (taken > 0) {
            if (!std::exchange(c.asked, true)) c.asked_ns = now_ns;
            waits_since_ns_ = now_ns;
        }
        written_bytes_ += taken;
        if (written_bytes_ >= c.leaves_after_sent) {
            break_off(context);
            return now_ns;
        }
        if (written_bytes_ == c.request.size()) {
            write_at_ += 1;
            written_bytes_ = 0;
            thought_ = false;
            if (c.half_closes) half_close_ns_ = now_ns + 1 + uint64_t{c.half_close_ms} * ns_per_ms;
            continue;
        }
        if (taken < part) return never_ns;
        if (c.writing.ms == 0) continue;
        write_due_ns_ = now_ns + uint64_t{c.writing.ms} * ns_per_ms;
        return write_due_ns_;
    }
    return now_ns;
}

uint64_t Client::read(uint64_t now_ns, const JudgeContext& context) {
    if (end_.readable().empty()) {
        if (end_.at_end())
            connection_over(Outcome::How::closed, context);
        else if (end_.at_reset())
            connection_over(Outcome::How::reset, context);
        return end_ ? never_ns : now_ns;
    }
    if (now_ns < read_due_ns_) return read_due_ns_;
    Case* const c = read_at_ < cases_.size() ? cases_[read_at_] : nullptr;
    size_t part = end_.readable().size();
    if (c != nullptr) part = std::min(part, c->reading.bytes);
    if (c != nullptr && c->leaves_after_read != SIZE_MAX && read_bytes_ + part >= c->leaves_after_read) {
        break_off(context);
        return now_ns;
    }
    waits_since_ns_ = now_ns;
    if (c != nullptr && c->reading.ms > 0) read_due_ns_ = now_ns + uint64_t{c->reading.ms} * ns_per_ms;
    const std::string bytes(end_.readable().substr(0, part));
    end_.consume(part);
    read_bytes_ += part;
    take_answers(bytes, context);
    if (!end_) return now_ns;
    return end_.readable().empty() && !end_.at_end() ? never_ns : std::max(now_ns, read_due_ns_);
}

void Client::take_answers(std::string_view bytes, const JudgeContext& context) {
    while (!bytes.empty() && end_) {
        if (read_at_ == cases_.size() || !cases_[read_at_]->asked) {
            book_.complain("an answer that nobody asked for: " + std::string(bytes.substr(0, 200)));
            return end_.close();
        }
        bytes.remove_prefix(reader_.take(bytes));
        if (reader_.broken()) {
            book_.complain(cases_[read_at_]->id() + ": no HTTP: " + reader_.head() + std::string(bytes.substr(0, 100)));
            return end_.close();
        }
        if (reader_.whole()) answer_is_whole(context);
    }
}

void Client::answer_is_whole(const JudgeContext& context) {
    const Case& c = *cases_[read_at_];
    const std::string_view connection = reader_.field("connection");
    const bool keeps = connection != "close" && (!c.http10 || connection == "keep-alive");
    const bool sent = write_at_ > read_at_;
    settle(Outcome::How::whole, false, context);
    start_reader();
    // Answered before it was sent: this client sends no more of it, and the connection is of no use.
    if (!keeps || !sent || half_close_ns_ != 0) connection_over(Outcome::How::closed, context);
}

void Client::settle(Outcome::How how, bool behind_another, const JudgeContext& context) {
    Case& c = *cases_[read_at_];
    c.hurt = c.hurt || end_.hurt();
    c.judged = true;
    if (reader_.head_done()) c.seen_status = reader_.status();
    const std::string wrong = judge(
        c, {.how = how, .answer = reader_, .behind_another = behind_another, .asked_ahead = write_at_ > read_at_ + 1},
        context);
    if (!wrong.empty()) book_.complain(c.describe() + ": " + wrong);
    if (how == Outcome::How::whole) c.settled_ns = now_ns_;
    if (reader_.head_done()) check_date(c);
    read_at_ += 1;
    waits_since_ns_ = 0;
}

/// Loom's answers carry the wall's time of their making, whoever sets that clock meanwhile.
void Client::check_date(const Case& c) {
    const std::string date(reader_.field("date"));
    if (date.empty()) {
        if (!c.has_upstream() || c.ask == Ask::chat) book_.complain(c.id() + ": an answer without a date");
        return;
    }
    std::tm fields{};
    const char* const end = ::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &fields);
    const auto first_us = static_cast<uint64_t>(::timegm(&fields)) * 1'000'000;
    if (end == nullptr || *end != '\0' || !book_.wall_showed(first_us, first_us + 999'999, c.asked_ns, now_ns_))
        book_.complain(c.id() + ": no time that the clock has shown: " + date);
}

/// Everything that was asked on this connection and not answered is judged; the rest is asked on the next.
void Client::connection_over(Outcome::How how, const JudgeContext& context) {
    if (how == Outcome::How::closed && read_at_ < cases_.size()) reader_.end();
    const bool mid_answer = read_at_ < cases_.size() && reader_.begun();
    bool behind_another = read_at_ > first_at_;
    while (read_at_ < cases_.size() && cases_[read_at_]->asked) {
        if (mid_answer && reader_.begun())
            settle(reader_.whole() ? Outcome::How::whole : how, false, context);
        else
            settle(Outcome::How::nothing, behind_another, context);
        behind_another = true;
        start_reader();
    }
    thought_ = false;
    end_.close();
}

void Client::break_off(const JudgeContext& context) {
    Case& c = *cases_[std::min(write_at_, read_at_)];
    const bool by_reset = c.leaves_by_reset;
    bool first = true;
    while (read_at_ < cases_.size() && cases_[read_at_]->asked) {
        settle(Outcome::How::left, !std::exchange(first, false), context);
        start_reader();
    }
    thought_ = false;
    if (by_reset)
        end_.reset(network_.random().between(0, end_.unread_by_proxy()));
    else
        end_.close();
}

void Client::leave() {
    end_.close();
    for (; read_at_ < cases_.size(); ++read_at_) cases_[read_at_]->judged = true;
}

}  // namespace loom::sim
