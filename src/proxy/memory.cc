#include "loom/proxy/memory.h"

#include <algorithm>

#include "address_table.h"
#include "admin_call.h"
#include "client_connection.h"
#include "client_limits.h"
#include "client_tls.h"
#include "coded_body.h"
#include "continuation.h"
#include "echo_source.h"
#include "exchange.h"
#include "guarding.h"
#include "ledger.h"
#include "limit_lines.h"
#include "line_place.h"
#include "loom/http/content_coding.h"
#include "loom/llm/echo.h"
#include "loom/llm/request.h"
#include "ownership.h"
#include "realtime.h"
#include "request_guard.h"
#include "semantic_visit.h"

namespace loom::proxy {
namespace {

/// Blocks of the shard's pool: what is in them, and what buffers of changing sizes leave behind.
class Blocks {
  public:
    /// One that always has this size.
    void add_fixed(const char* what, const char* key, size_t bytes) { put(what, key, BlockPool::footprint(bytes)); }
    /// One that has any size up to this.
    void add(const char* what, const char* key, size_t bytes, size_t count = 1) {
        put(what, key, count * BlockPool::footprint(bytes));
        leftover_bytes_ += count * BlockPool::leftover(bytes);
    }
    void put(const char* what, const char* key, uint64_t bytes) { terms_.push_back({what, bytes, key}); }

    [[nodiscard]] MemoryTerms finish() {
        if (leftover_bytes_ > 0) put("smaller blocks that these left in the pool as they grew", "", leftover_bytes_);
        return std::move(terms_);
    }

  private:
    MemoryTerms terms_;
    uint64_t leftover_bytes_ = 0;
};

/// What a source still hands over when it has been told to pause.
size_t go_bytes(const MemoryShape& shape) { return size_t{net::Stream::receives_per_go_max} * shape.buffer_bytes; }

/// An event that is held until it is whole, with the read that ends it.
size_t event_bytes(const MemoryShape& shape) { return shape.limits.event_bytes + size_t{shape.buffer_bytes}; }

void add_tls(Blocks& blocks, const MemoryShape& shape) {
    blocks.put("its TLS: keys, certificates, one record", "", net::TlsSession::library_bytes_max);
    blocks.put("sealed bytes on their way", "", net::TlsSession::pending_handshake_max);
    blocks.add("received bytes that wait for a buffer", "buffer.size", go_bytes(shape));
}

/// Bodies that are read, up to the shard's part of limit.bodies_in_memory.
void add_bodies(MemoryTerms& terms, const MemoryShape& shape) {
    const Limits& limits = shape.limits;
    const uint64_t part_bytes = limits.bodies_bytes / shape.shard_count;
    const uint64_t count = limits.connections / shape.shard_count + 1;
    const uint64_t one = BlockPool::footprint(limits.body_bytes);
    const uint64_t decoding = CodedBody::memory_bytes_max + BlockPool::footprint(limits.head_bytes + go_bytes(shape));
    terms.push_back({"request bodies", std::min(part_bytes, count * (one + decoding)), "limit.bodies_in_memory"});
    terms.push_back({"one body beyond them, and one while it moves to a larger block", 2 * one, "limit.body_size"});
    terms.push_back({"the decoder of that body, and what it has not decoded yet", decoding, ""});
    terms.push_back({"smaller blocks that bodies left in the pool as they grew",
                     BlockPool::leftover(limits.body_bytes, count, part_bytes + one), "limit.bodies_in_memory"});
    terms.push_back(
        {"the index of one JSON body", llm::RequestReader::memory_bytes(limits.body_bytes), "limit.body_size"});
    terms.push_back({"the index of one translated answer, and of JSON inside its strings",
                     2 * llm::RequestReader::memory_bytes(limits.body_bytes), "limit.body_size"});
    terms.push_back({"a translated document as it is written, and one beyond the bodies", 2 * one, "limit.body_size"});
    terms.push_back(
        {"the index of one event", llm::RequestReader::memory_bytes(event_bytes(shape)), "stream.event_max"});
    // One scan that was not asked to hold its memory, and what another takes in a turn before it is.
    if (shape.guards)
        terms.push_back({"what the guards hold of one body beyond the bodies",
                         RequestGuard::memory_bytes_max(limits.body_bytes) + 2 * one +
                             RequestGuard::memory_bytes_max(RequestGuard::turn_bytes) + one,
                         "security.pii_detection.enabled"});
    if (shape.has_echo)
        terms.push_back({"an answer of the embedded model as it is made, and one beyond the bodies",
                         2 * llm::EchoAnswer::memory_bytes_max, ""});
}

}  // namespace

MemoryTerms connection_memory(const MemoryShape& shape) {
    Blocks blocks;
    blocks.add_fixed("the connection itself", "limit.connections",
                     ClientConnection::block_bytes(shape.has_tls_clients));
    if (shape.has_tls_clients) add_tls(blocks, shape);
    blocks.add("a head in pieces, or requests ahead of their turn", "limit.head_size",
               shape.limits.head_bytes + go_bytes(shape));
    return blocks.finish();
}

MemoryTerms exchange_memory(const MemoryShape& shape) {
    const Limits& limits = shape.limits;
    Blocks blocks;
    blocks.add_fixed("the exchange", "limit.connections", sizeof(Exchange));
    blocks.add_fixed("its coroutine", "limit.connections", io::Task::frame_bytes_max);
    blocks.add_fixed("what is to change of the request", "limit.connections", sizeof(Exchange::Draft));
    blocks.add_fixed("its attempt", "limit.connections", sizeof(Attempt));
    blocks.add("the head's texts, and the lines that go on", "limit.head_size",
               limits.head_bytes + Exchange::head_slack_bytes + llm::RequestReader::name_bytes_max, 3);
    blocks.add("the upstream's lines", "", shape.static_lines_bytes_max + Exchange::head_slack_bytes);
    if (shape.keeps_ledger)
        blocks.add_fixed("its attempt in the ledger", "token_accounting.enabled", sizeof(LedgerEntry));
    if (shape.compares_texts)
        blocks.put("its last text, which is compared with others'", "semantic_cache.enabled",
                   sizeof(SemanticVisit) + SemanticCache::text_bytes_max + shape.vector_bytes);
    if (shape.limits_clients)
        blocks.add("what it has taken of its client's limits, and the lines that tell of them", "rate_limit.enabled",
                   sizeof(ClientLimits) + limit_lines_bytes_max);
    if (shape.keeps_rule_fields)
        blocks.add("the fields that rules ask for", "routing.rule.<name>.when", limits.head_bytes);
    if (shape.keeps_ids) blocks.put("what it asks of a provider's", "", sizeof(Ownership) + sizeof(BatchUpload));
    if (shape.streams_bodies)
        blocks.add("a streamed body's first bytes", "buffer.size", Exchange::early_body_bytes_max + go_bytes(shape));
    blocks.add("the answer's head in pieces", "limit.head_size", limits.head_bytes + go_bytes(shape));
    if (shape.fails_over && shape.hold_tokens == 0)
        blocks.add("an answer's start that waits for its first content", "routing.failover.enabled",
                   FailoverPlan::held_start_bytes_max + event_bytes(shape));
    if (shape.fails_over && shape.hold_tokens > 0)
        blocks.add("an answer's start that waits, and as it is given", "routing.failover.hold_tokens",
                   FailoverPlan{.hold_tokens = shape.hold_tokens}.held_bytes_max() + event_bytes(shape), 2);
    if (shape.fails_over && shape.continuation_bytes > 0)
        blocks.put("a stream's text, for who may have to go on with it", "routing.failover.continuation_max",
                   sizeof(Continuation) + llm::ToldStream::memory_bytes_max(shape.continuation_bytes) +
                       llm::Translation::memory_bytes_max);
    if (shape.inspects) {
        blocks.put("a realtime session", "limit.head_size", sizeof(Realtime) + limits.head_bytes);
        blocks.put("what a translation keeps of a stream", "", llm::Translation::memory_bytes_max);
        blocks.add("an event that is not whole yet", "stream.event_max", event_bytes(shape));
        blocks.add("data lines joined, or an answer's usage", "stream.event_max",
                   std::max(event_bytes(shape), Relay::collected_bytes_max + shape.buffer_bytes));
        blocks.put("who has a compressed request decoded", "", sizeof(CodedBody));
        if (shape.guards)
            blocks.put("who has a request looked through", "",
                       sizeof(Guarding) + AuditNotes::memory_bytes + guard::InjectionScan::memory_bytes);
        if (shape.guards_answers)
            blocks.put("what is held of a stream that is looked through", "stream.event_max",
                       sizeof(AnswerStream) + AnswerStream::memory_bytes_max + 4 * event_bytes(shape));
        blocks.put("the decoder of a compressed answer", "", http::Inflater::memory_bytes);
        blocks.add("what is not decoded of it yet", "buffer.size", go_bytes(shape));
    }
    blocks.add("bytes for a client that reads slowly, waiting and being sent", "stream.buffer_max",
               limits.pause_bytes() + go_bytes(shape) + (shape.inspects ? event_bytes(shape) : 0), 2);
    blocks.add_fixed("a send to the client", "", net::Sender::gather_block_bytes);
    if (shape.has_echo)
        blocks.put("a stream or a session of the embedded model", "",
                   std::max(EchoSource::stream_bytes_max, llm::EchoRealtime::memory_bytes_max));
    return blocks.finish();
}

MemoryTerms upstream_memory(const MemoryShape& shape) {
    Blocks blocks;
    blocks.add_fixed("the connection itself", "limit.connections",
                     upstream::Connection::block_bytes(shape.has_tls_upstreams));
    blocks.add("an upload that the upstream takes slowly, waiting and being sent", "stream.buffer_max",
               shape.limits.pause_bytes() + go_bytes(shape), 2);
    blocks.add_fixed("a send to the upstream", "", net::Sender::gather_block_bytes);
    if (shape.has_tls_upstreams) add_tls(blocks, shape);
    return blocks.finish();
}

MemoryTerm admin_memory(const MemoryShape& shape) {
    const size_t head_bytes = shape.limits.head_bytes + Exchange::head_slack_bytes;
    const uint64_t one = sum_of(connection_memory(shape)) + BlockPool::footprint(sizeof(Exchange)) +
                         BlockPool::footprint(io::Task::frame_bytes_max) + BlockPool::footprint(head_bytes) +
                         BlockPool::leftover(head_bytes) + BlockPool::footprint(AdminCall::largest_body_bytes) +
                         BlockPool::footprint(net::Sender::gather_block_bytes);
    return {"the admin listener's connections", one * Services::admin_connections_max, "admin.listen"};
}

MemoryTerms services_memory(const MemoryShape& shape) {
    const uint64_t kept = BlockPool::footprint(upstream::Connection::block_bytes(shape.has_tls_upstreams)) +
                          (shape.has_tls_upstreams ? net::TlsSession::library_bytes_max : 0);
    MemoryTerms terms = {
        {"idle connections to upstreams", kept * shape.upstream_count * shape.idle_max, "upstream.pool.max_idle"},
        {"clients accepted before there is room", uint64_t{shape.backlog} * 2 * sizeof(Arrival), "tcp.backlog"},
        {"heads and counters at hand", sizeof(Services), ""}};
    if (shape.limits.connections_per_address > 0)
        terms.push_back({"connections counted by address",
                         AddressTable::memory_bytes_max(shape.limits.connections + shape.backlog),
                         "limit.connections_per_address"});
    if (shape.queue_max > 0)
        terms.push_back({"places in line",
                         (shape.queue_max / shape.shard_count + 1) * BlockPool::footprint(sizeof(LinePlace)),
                         "routing.queue.max"});
    if (shape.inspects) add_bodies(terms, shape);
    if (shape.keeps_ids)
        terms.push_back({"the index of one document with ids, and a list as it is filtered",
                         llm::RequestReader::memory_bytes(shape.limits.body_bytes) +
                             2 * BlockPool::footprint(shape.limits.body_bytes),
                         "limit.body_size"});
    if (shape.has_tls_upstreams || shape.has_tls_clients)
        terms.push_back({"buffers of TLS records", Services::tls_pool_bytes, ""});
    return terms;
}

}  // namespace loom::proxy
