#include "mock_plan.h"

#include <charconv>
#include <cstdio>

#include "wire.h"

namespace bench {

static uint32_t* field(MockParams& params, std::string_view name) {
    if (name == "events") return &params.events;
    if (name == "interval_us") return &params.interval_us;
    if (name == "per_write") return &params.per_write;
    if (name == "bytes") return &params.bytes;
    if (name == "delay_us") return &params.delay_us;
    if (name == "slow_each") return &params.slow_each;
    if (name == "slow_us") return &params.slow_us;
    if (name == "chunk_each") return &params.chunk_each;
    if (name == "quantum") return &params.quantum;
    return nullptr;
}

bool read_params(std::string_view text, MockParams& params) {
    while (!text.empty()) {
        const std::string_view item = text.substr(0, text.find(','));
        text.remove_prefix(item.size() == text.size() ? text.size() : item.size() + 1);
        const size_t equals = item.find('=');
        if (equals == item.npos) return false;
        uint32_t* value = field(params, item.substr(0, equals));
        if (value == nullptr) return false;
        std::from_chars(item.data() + equals + 1, item.data() + item.size(), *value);
    }
    if (params.per_write == 0) params.per_write = 1;
    if (params.quantum == 0) params.quantum = 1;
    return true;
}

std::string as_chunk(std::string_view bytes) {
    char size[16];
    const int digits = std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    std::string chunk(size, size_t(digits));
    return chunk.append(bytes).append("\r\n");
}

static Block make_block(const MockParams& params, uint32_t event_count) {
    const std::string event = event_template(params.bytes);
    Block block;
    if (event_count == 0) return block;
    if (params.chunk_each) {
        const std::string chunk = as_chunk(event);
        for (uint32_t i = 0; i < event_count; ++i) {
            block.stamps.push_back(uint32_t(block.bytes.size() + chunk.find(event)));
            block.bytes += chunk;
        }
        return block;
    }
    std::string events;
    for (uint32_t i = 0; i < event_count; ++i) events += event;
    block.bytes = as_chunk(events);
    const size_t first = block.bytes.find(event);
    for (uint32_t i = 0; i < event_count; ++i) block.stamps.push_back(uint32_t(first + i * event.size()));
    return block;
}

const Plan& PlanShelf::find(const MockParams& params) {
    for (const auto& plan : plans_) {
        if (plan->params == params) return *plan;
    }
    auto plan = std::make_unique<Plan>();
    plan->params = params;
    plan->full = make_block(params, params.per_write);
    plan->rest = make_block(params, params.events % params.per_write);
    plans_.push_back(std::move(plan));
    return *plans_.back();
}

}  // namespace bench
