// Any bytes as a segment of the ledger: nothing beyond them is read, no text is longer than its bound, whatever is
// whole is written again as the same bytes, and a walk over damage comes to its end.
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "loom/tenant/ledger_record.h"

using namespace loom::tenant;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

void check_texts(const LedgerLocal& local) {
    for (const std::string_view text :
         {local.consumer, local.team, local.project, local.tenant, local.tier, local.route, local.model})
        require(text.size() <= ledger_text_bytes_max);
    require(local.count > 0 && !ledger_local_exit_name(local.exit).empty());
}

void check_texts(const LedgerIntent& intent) {
    for (const std::string_view text : {intent.consumer, intent.team, intent.project, intent.tenant, intent.tier,
                                        intent.route, intent.provider, intent.model})
        require(text.size() <= ledger_text_bytes_max);
}

void check_whole(std::string_view bytes, const LedgerRead& read) {
    require(read.bytes > ledger_header_bytes && read.bytes <= bytes.size() && read.bytes <= ledger_record_bytes_max);
    if (std::holds_alternative<LedgerUnknown>(read.record)) return;  // of a Loom that comes later
    std::array<char, ledger_record_bytes_max> room;
    const auto write = [&room](const auto& record) -> size_t {
        if constexpr (std::is_same_v<std::decay_t<decltype(record)>, LedgerUnknown>)
            return 0;
        else
            return write_ledger_record(record, room);
    };
    const size_t length = std::visit(write, read.record);
    require(length == read.bytes && std::memcmp(room.data(), bytes.data(), length) == 0);
    if (const auto* const local = std::get_if<LedgerLocal>(&read.record)) check_texts(*local);
    if (const auto* const intent = std::get_if<LedgerIntent>(&read.record)) check_texts(*intent);
    for (size_t cut = 0; cut < read.bytes; cut += 7)
        require(read_ledger_record(bytes.substr(0, cut)).state != LedgerRead::State::whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string whole(reinterpret_cast<const char*>(data), size);  // of the exact size, whose end ASan guards
    std::string_view rest = whole;
    while (!rest.empty()) {
        const LedgerRead read = read_ledger_record(rest);
        const bool good = read.state == LedgerRead::State::whole;
        if (good) check_whole(rest, read);
        rest.remove_prefix(good ? read.bytes : 1);
    }
    return 0;
}
