// A relay with both ends in a test's hands: what the source sends and where it is cut, what the client takes and when.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "loom/proxy/relay.h"
#include "memory_stream.h"
#include "sim_ring.h"

namespace loom::proxy::test {

/// What lives as long as a shard: one serves thousands of relays.
struct Bench {
    sim::SimShard sim{io::ShardOptions{.buffer_count = 64}};
    llm::StreamReader stream_reader;
    llm::UsageReader usage_reader;
};

class RelayRun final : public RelayOwner {
  public:
    RelayRun(Bench& bench, const RelayOptions& options) : bench_(bench) { relay.begin(options); }
    ~RelayRun();

    /// Bytes from the source, a tick a piece. Where `honours_pause`, a paused source's bytes wait, as in a socket.
    void read(std::string_view bytes);
    void read_cut_at(std::string_view bytes, size_t cut) {
        read(bytes.substr(0, cut));
        read(bytes.substr(cut));
    }
    void source_ends(Errc how = Errc::closed);
    /// Time goes by, and the client reads.
    void run_ms(uint64_t ms);
    /// The client takes up to this much of each send; 0: nothing, the send stays with the kernel.
    void client_takes(size_t bytes) {
        client_takes_ = bytes;
        serve();
    }

    /// What the client got, without its framing. `whole` says whether it came to a regular end.
    [[nodiscard]] std::string payload(bool* whole = nullptr) const;
    [[nodiscard]] const std::string& raw() const { return client.received; }

    Bench& bench_;
    sim::MemoryStream client;
    net::Sender sender{client, bench_.sim.shard()};
    Relay relay{bench_.sim.shard(), sender, bench_.stream_reader, bench_.usage_reader, *this};
    ClientFraming framing = ClientFraming::chunked;
    bool honours_pause = false;
    bool paused = false;
    int pauses = 0, resumes = 0, contents_came = 0, first_contents = 0, events_passed = 0, ends = 0;
    size_t consumed = 0;  // of the source's bytes

  private:
    void pause_source() noexcept override {
        paused = true;
        pauses += 1;
    }
    void resume_source() noexcept override {
        paused = false;
        resumes += 1;
    }
    void on_content_came() noexcept override { contents_came += 1; }
    void on_first_content() noexcept override { first_contents += 1; }
    void on_event_passed() noexcept override { events_passed += 1; }
    void on_relay_end() noexcept override { ends += 1; }
    void serve();
    void pump();

    size_t client_takes_ = SIZE_MAX;
    std::string waiting_;  // in the source's socket
    bool source_ended_ = false;
    Error source_end_;
};

/// Streams as providers send them and as the SSE specification allows them.
struct Golden {
    const char* name;
    std::string events;
};
[[nodiscard]] const std::vector<Golden>& golden_streams();
[[nodiscard]] std::string delta_event(std::string_view content);
extern const std::string usage_event;
extern const std::string done_event;
[[nodiscard]] std::string replace_all(std::string text, std::string_view from, std::string_view to);

/// How the source frames the same payload.
struct Framing {
    const char* name;
    http::BodyFraming kind;
    std::function<std::string(std::string_view)> wrap;
};
[[nodiscard]] const std::vector<Framing>& source_framings();
[[nodiscard]] std::string chunk(std::string_view bytes);
/// One chunk an event (split behind each empty line).
[[nodiscard]] std::string chunk_per_event(std::string_view events);

[[nodiscard]] RelayOptions stream_options(const Framing& framing, std::string_view payload,
                                          ClientFraming client = ClientFraming::chunked);
/// Takes chunks off; false in `whole` when the last one is missing. A framing that is no framing fails the test.
[[nodiscard]] std::string dechunk(std::string_view raw, bool& whole);

}  // namespace loom::proxy::test
