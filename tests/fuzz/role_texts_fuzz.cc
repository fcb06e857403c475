// Any bytes as a request whose instructions are read: what is told of it lies in it, each byte once.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "instructions.h"
#include "loom/llm/role_texts.h"

using namespace loom;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

struct Told final : llm::RoleTextSink {
    explicit Told(std::string_view document, size_t count_max) : document(document), left(count_max) {}
    bool on_text(llm::Speaker speaker, std::string_view raw) override {
        require(left > 0);
        require(speaker == llm::Speaker::system || speaker == llm::Speaker::user);
        // Inside of a string of the document: each byte once, and its quotes around it.
        require(raw.data() > document.data() && raw.data() + raw.size() < document.data() + document.size());
        require(raw.data()[-1] == '"' && raw.data()[raw.size()] == '"');
        bytes += raw.size();
        require(bytes <= document.size());
        return --left > 0;
    }
    std::string_view document;
    size_t left;
    size_t bytes = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string document(reinterpret_cast<const char*>(data), size);  // its end is guarded
    for (const size_t count_max : {SIZE_MAX, size_t{2}}) {
        Told sink(document, count_max);
        llm::tell_role_texts(document, sink);
    }
    BlockPool pool;
    guard::SystemText system(pool);
    proxy::read_instructions(document, system);
    return 0;
}
