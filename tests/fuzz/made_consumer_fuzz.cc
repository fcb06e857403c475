// Any bytes as what is said of a consumer (n: a new one, else a change of one). What is taken can be written and read
// again as the same, within its bounds; a change that is refused names a member or the whole.
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/tenant/made_consumer.h"

using namespace loom;
using namespace loom::tenant;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

std::string written(const MadeConsumer& one) { return "{" + made_consumer_members(one) + "}"; }

const MadeConsumer& before() {
    static const MadeConsumer one = *merge_made_consumer(
        {}, R"({"name":"ci","tier":"gold","limits":{"request_rate":60,"burst":5},"metadata":{"a":"b"}})", true);
    return one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);  // its end is guarded
    const bool is_new = data[0] == 'n';
    const auto one = merge_made_consumer(is_new ? MadeConsumer() : before(), text, is_new);
    if (!one) {
        require(!one.error().text.empty() && one.error().member.size() <= 128);
        return 0;
    }
    require(is_consumer_name(one->consumer.name) && one->consumer.made && one->consumer.priority <= 9);
    require(is_new || one->consumer.name == "ci");
    require(one->consumer.metadata.size() <= MadeConsumer::metadata_max);
    require(one->allow_ips.size() == one->consumer.networks.size());
    require(!one->limits.burst || one->limits.request_rate.value_or(0) > 0);
    const std::string document = written(*one);
    require(document.size() <= MadeConsumer::document_bytes_max);
    const auto again = merge_made_consumer({}, document, true);
    require(again && written(*again) == document);
    return 0;
}
