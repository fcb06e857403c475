#include "sentence_model.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <vector>

#include "cli.h"
#include "loom/cache/sentence_encoder.h"
#include "loom/config/source.h"

namespace loom::app {
namespace {

constexpr size_t weights_bytes_max = size_t{2} << 30;
constexpr size_t vocabulary_bytes_max = size_t{16} << 20;
constexpr size_t settings_bytes_max = size_t{1} << 20;

}  // namespace

std::expected<std::unique_ptr<cache::Embedder>, std::string> load_sentence_model(const std::string& folder) {
    struct File {
        const char* name;
        size_t bytes_max;
        bool is_needed;
        std::string text;
    };
    File files[] = {{"config.json", settings_bytes_max, true, {}},
                    {"vocab.txt", vocabulary_bytes_max, true, {}},
                    {"model.safetensors", weights_bytes_max, true, {}},
                    {"tokenizer_config.json", settings_bytes_max, false, {}},
                    {"sentence_bert_config.json", settings_bytes_max, false, {}},
                    {"1_Pooling/config.json", settings_bytes_max, false, {}}};
    for (File& file : files) {
        auto text = config::system_source().read_file(folder + "/" + file.name, file.bytes_max);
        if (!text && text.error().code == Errc::not_found && !file.is_needed) continue;
        if (!text) {
            const bool is_large = text.error().code == Errc::too_large;
            return std::unexpected(fmt::format(
                "{}/{} cannot be read: {}", folder, file.name,
                is_large ? "it is larger than any that Loom knows" : std::strerror(text.error().sys_errno)));
        }
        file.text = std::move(*text);
    }
    auto encoder = cache::make_sentence_encoder({.config = files[0].text,
                                                 .vocabulary = files[1].text,
                                                 .weights = files[2].text,
                                                 .tokenizer_config = files[3].text,
                                                 .sentence_config = files[4].text,
                                                 .pooling = files[5].text});
    if (!encoder) return std::unexpected(fmt::format("{}/{}", folder, encoder.error()));
    return std::move(*encoder);
}

std::string fault_of_sentence_model(const std::string& folder) {
    for (const char* const name : {"config.json", "vocab.txt", "model.safetensors"}) {
        const std::string path = folder + "/" + name;
        if (::access(path.c_str(), R_OK) != 0)
            return fmt::format("{} cannot be read: {}; scripts/fetch-embedder brings a model", path,
                               std::strerror(errno));
    }
    return {};
}

uint64_t sentence_model_bytes(const std::string& folder) {
    constexpr uint64_t float_bytes_of_half = 2;
    std::error_code none;
    const auto bytes = std::filesystem::file_size(folder + "/model.safetensors", none);
    return none ? 0 : bytes * float_bytes_of_half;
}

int embed_lines_with(const std::string& folder) {
    const auto model = load_sentence_model(folder);
    if (!model) {
        std::fputs(fmt::format("loom: {}\n", model.error()).c_str(), stderr);
        return exit_config;
    }
    std::vector<float> vector((*model)->dimensions());
    std::string line;
    while (std::getline(std::cin, line)) {
        (*model)->embed(line, vector);
        std::fputs(fmt::format("[{}]\n", fmt::join(vector, ",")).c_str(), stdout);
    }
    return exit_ok;
}

}  // namespace loom::app
