// What a guard will be, in small: replaces a word in the text of a stream, however the deltas split it. Only bytes that
// may still become the word are held back.
#pragma once

#include <string>
#include <string_view>

#include "loom/io/shard.h"
#include "loom/proxy/relay.h"

namespace loom::proxy::test {

class RewritingObserver final : public EventObserver {
  public:
    /// `word` and `mask` need no escapes in JSON.
    RewritingObserver(std::string_view word, std::string_view mask) : word_(word), mask_(mask) {}

    /// Asked about the event with this number (from 1), it does not know at once: `delay_ms` of the wheel's time later
    /// it resumes the relay; 0: somebody else does.
    void suspend_at_event(uint32_t number, uint64_t delay_ms, io::Shard& shard, Relay& relay) {
        suspend_at_ = number;
        delay_ms_ = delay_ms;
        shard_ = &shard;
        relay_ = &relay;
    }
    [[nodiscard]] uint64_t resumed_at_ms() const noexcept { return resumed_at_ms_; }

    Verdict on_event(const EventView& event, llm::Edits& edits) override {
        if (event_count_ + 1 == suspend_at_) {
            suspend_at_ = 0;
            if (delay_ms_ > 0) shard_->timers().arm(verdict_, delay_ms_);
            return Verdict::suspend;
        }
        event_count_ += 1;
        if (event.facts.content.length < 2) {  // no text; at the end of all text, what was held back comes first
            const bool text_ends = event.facts.finished || event.facts.done || event.facts.is_error;
            if (tail_.empty() || !text_ends) return Verdict::pass;
            made_ = tail_event();
            return edits.insert(0, made_) ? Verdict::edit : Verdict::drop;
        }
        const llm::Range inside{event.facts.content.offset + 1, event.facts.content.length - 2};
        const std::string_view text = event.data.substr(inside.offset, inside.length);
        rewrite(text);
        if (made_ == text) return Verdict::pass;
        if (event.data_in_place)
            return edits.replace({event.data_offset + inside.offset, inside.length}, made_) ? Verdict::edit
                                                                                            : Verdict::drop;
        std::string whole = "data: ";  // lines were joined: they are written as one
        for (const char c : event.data.substr(0, inside.offset)) whole += c == '\n' ? ' ' : c;
        whole += made_;
        for (const char c : event.data.substr(inside.end())) whole += c == '\n' ? ' ' : c;
        made_ = whole + "\n\n";
        return edits.replace({0, static_cast<uint32_t>(event.bytes.size())}, made_) ? Verdict::edit : Verdict::drop;
    }

    std::string_view on_end() override {
        if (tail_.empty()) return {};
        made_ = tail_event();
        return made_;
    }

  private:
    struct VerdictTimer : io::Timer {
        explicit VerdictTimer(RewritingObserver& o) : Timer(&RewritingObserver::on_verdict), observer(o) {}
        RewritingObserver& observer;
    };
    static void on_verdict(io::Timer& timer) noexcept {
        RewritingObserver& observer = static_cast<VerdictTimer&>(timer).observer;
        observer.resumed_at_ms_ = observer.shard_->timers().now_ms();
        observer.relay_->resume();
    }

    /// made_ = what of tail and text can be told; tail_ = the longest end that may still become the word.
    void rewrite(std::string_view text) {
        std::string all = tail_;
        all += text;
        made_.clear();
        size_t at = 0;
        for (size_t found; (found = all.find(word_, at)) != all.npos; at = found + word_.size()) {
            made_.append(all, at, found - at);
            made_ += mask_;
        }
        size_t held = std::min(word_.size() - 1, all.size() - at);
        while (held > 0 && !std::string_view(all).ends_with(word_.substr(0, held))) held -= 1;
        made_.append(all, at, all.size() - held - at);
        tail_.assign(all, all.size() - held, held);
    }
    std::string tail_event() {
        std::string event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + tail_ + "\"}}]}\n\n";
        tail_.clear();
        return event;
    }

    std::string_view word_;
    std::string_view mask_;
    std::string tail_;
    std::string made_;
    uint32_t event_count_ = 0;
    uint32_t suspend_at_ = 0;
    uint64_t delay_ms_ = 0;
    uint64_t resumed_at_ms_ = 0;
    io::Shard* shard_ = nullptr;
    Relay* relay_ = nullptr;
    VerdictTimer verdict_{*this};
};

}  // namespace loom::proxy::test
