// Any bytes as a snapshot of the cache: they are refused, or read to their end, and whatever is read is written again
// as what is read again. The first byte says which file it is to be; records are tried by themselves too, since a
// file's checks would keep nearly all of them from their reader.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/cache/snapshot_record.h"
#include "loom/store/snapshot_file.h"

using namespace loom;

namespace {

constexpr cache::SnapshotMoment moment{.now_ms = 1'000'000, .elapsed_ms = 5'000, .ttl_ms = 60'000, .stale_ms = 7'000};
constexpr cache::SnapshotMoment same{.now_ms = 1'000'000};

void require(bool good) {
    if (!good) std::abort();
}

void check(const cache::Answer& answer) {
    require(answer.form <= cache::Form::usage_events);
    require(answer.fresh_until_ms >= moment.now_ms && answer.fresh_until_ms <= moment.now_ms + 60'000);
    require(answer.kept_until_ms >= moment.now_ms && answer.kept_until_ms <= answer.fresh_until_ms + 7'000);
}

void check_answer(std::string_view bytes) {
    if (const auto aged = cache::read_answer_record(bytes, moment)) check(*aged->answer);
    const auto read = cache::read_answer_record(bytes, same);
    if (!read) return;
    std::string again;
    cache::write_record(again, *read, same);
    const auto twice = cache::read_answer_record(again, same);
    require(twice && twice->key == read->key && twice->answer->body == read->answer->body);
    std::string thrice;
    cache::write_record(thrice, *twice, same);
    require(again == thrice && again.size() == bytes.size());
}

void check_entry(std::string_view bytes) {
    const auto read = cache::read_entry_record(bytes, same);
    if (!read) return;
    for (const float one : read->vector) require(std::isfinite(one));
    std::string again;
    cache::write_record(again, *read, same);
    require(again.size() == bytes.size() && cache::read_entry_record(again, same).has_value());
}

void check_file(std::string_view bytes) {
    const int fd = ::memfd_create("snapshot", MFD_CLOEXEC);
    require(fd >= 0 && ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    auto reader = store::SnapshotReader::read(fd, "exact.snapshot", {});
    if (!reader) return require(!reader.error().text().empty());
    (void)cache::SnapshotHead::read(reader->head());
    const bool whole = reader->verify().has_value();
    std::string record;
    uint64_t left = bytes.size();
    for (;;) {
        const auto more = reader->next(record);
        if (!more) return require(!whole);
        if (!*more) return require(whole);
        require(record.size() < left);
        left -= record.size();
        check_answer(record);
        check_entry(record);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);  // of the exact size, for ASan
    switch (data[0] % 4) {
        case 0: check_file(bytes); break;
        case 1: check_answer(bytes); break;
        case 2: check_entry(bytes); break;
        default: (void)cache::SnapshotHead::read(bytes);
    }
    return 0;
}
