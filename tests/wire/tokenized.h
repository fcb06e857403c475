// A Loom that knows its model's tokens, by a rank file of the test's own: each byte is one, and " the" is.
#pragma once

#include <fstream>
#include <string>
#include <string_view>

#include "fixture.h"
#include "loom/base/base64.h"
#include "state_directory.h"

namespace loom::wire {

class Tokenized : public WireTest {
  protected:
    Tokenized() {
        std::ofstream file(path_);
        for (int i = 0; i < 256; ++i) file << base64(std::string(1, static_cast<char>(i))) << ' ' << i << '\n';
        for (int i = 0; const char* const token : {"th", "the", " the"})
            file << base64(token) << ' ' << 256 + i++ << '\n';
        file.close();
        conf.set("tokenizer.o200k_base.path", path_).set("token_accounting.enabled", "on");
        conf.set("provider.mock.models", "gpt-4o");
    }
    static std::string base64(std::string_view bytes) {
        std::string text;
        loom::base64_encode({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, text);
        return text;
    }

    const std::string the_words = R"({"model":"gpt-4o","messages":[{"role":"user","content":"the the the"}]})";
    const StateDirectory directory_;
    const std::string path_ = directory_.path() + "/ranks";
};

}  // namespace loom::wire
