#include "loom/cache/sentence_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "bert.h"
#include "loom/base/assert.h"
#include "loom/base/json.h"
#include "wordpiece.h"

namespace loom::cache {
namespace {

namespace ondemand = json::ondemand;
using Failure = std::unexpected<std::string>;

/// Sizes beyond these are no sentence model's.
constexpr size_t hidden_max = 4096;
constexpr size_t layers_max = 64;
constexpr size_t positions_max = 8192;
constexpr size_t vocabulary_max = 1'000'000;
constexpr size_t tokens_max_default = 512;
constexpr size_t tokens_max_most = 2048;

/// A small file with one JSON object; what is not in it is not said.
class Settings {
  public:
    Settings(const char* name, std::string_view text) : name_(name), text_(text.empty() ? "{}" : text) {}

    [[nodiscard]] bool is_readable() {
        ondemand::document document;
        ondemand::object object;
        return parser_.iterate(text_).get(document) == simdjson::SUCCESS &&
               document.get_object().get(object) == simdjson::SUCCESS;
    }
    [[nodiscard]] std::optional<double> number(const char* key) { return read<double>(key); }
    [[nodiscard]] std::optional<bool> flag(const char* key) { return read<bool>(key); }
    [[nodiscard]] std::optional<std::string> word(const char* key) {
        const auto found = read<std::string_view>(key);
        return found ? std::optional<std::string>(*found) : std::nullopt;
    }
    /// A whole number from 1 to most.
    [[nodiscard]] std::expected<size_t, std::string> size(const char* key, size_t most) {
        const auto found = number(key);
        if (found && *found >= 1 && *found <= static_cast<double>(most)) return static_cast<size_t>(*found);
        return Failure(fmt::format("{}: {} has to be a number from 1 to {}", name_, key, most));
    }

  private:
    template <class Value>
    std::optional<Value> read(const char* key) {
        ondemand::document document;
        Value value{};
        if (parser_.iterate(text_).get(document) != simdjson::SUCCESS) return {};
        if (document.find_field_unordered(key).get(value) != simdjson::SUCCESS) return {};
        return value;
    }

    const char* const name_;
    const simdjson::padded_string text_;
    ondemand::parser parser_;
};

std::expected<BertShape, std::string> read_shape(Settings& config) {
    if (!config.is_readable()) return Failure("config.json: is no JSON object");
    const std::string type = config.word("model_type").value_or("");
    if (type != "bert")
        return Failure(fmt::format("config.json: model_type is \"{}\"; BERT-class encoders have bert", type));
    const std::string activation = config.word("hidden_act").value_or("gelu");
    if (activation != "gelu")
        return Failure(fmt::format("config.json: hidden_act {} is not known; gelu is", activation));
    if (config.word("position_embedding_type").value_or("absolute") != "absolute")
        return Failure("config.json: position_embedding_type has to be absolute");
    BertShape shape;
    const struct {
        const char* key;
        size_t BertShape::* into;
        size_t most;
    } sizes[] = {{"hidden_size", &BertShape::hidden_size, hidden_max},
                 {"intermediate_size", &BertShape::intermediate_size, 4 * hidden_max},
                 {"num_hidden_layers", &BertShape::num_hidden_layers, layers_max},
                 {"num_attention_heads", &BertShape::num_attention_heads, hidden_max},
                 {"max_position_embeddings", &BertShape::max_position_embeddings, positions_max},
                 {"vocab_size", &BertShape::vocab_size, vocabulary_max},
                 {"type_vocab_size", &BertShape::type_vocab_size, hidden_max}};
    for (const auto& one : sizes) {
        const auto size = config.size(one.key, one.most);
        if (!size) return Failure(size.error());
        shape.*one.into = *size;
    }
    if (shape.hidden_size % shape.num_attention_heads != 0)
        return Failure("config.json: hidden_size has to be a multiple of num_attention_heads");
    const double epsilon = config.number("layer_norm_eps").value_or(1e-12);
    if (!(epsilon >= 0 && epsilon < 1)) return Failure("config.json: layer_norm_eps has to be a number from 0 to 1");
    shape.layer_norm_eps = static_cast<float>(epsilon);
    return shape;
}

class SentenceEncoder final : public Embedder {
  public:
    SentenceEncoder(Bert bert, WordPiece pieces, size_t tokens_max, bool by_first)
        : bert_(std::move(bert)), pieces_(std::move(pieces)), tokens_max_(tokens_max), by_first_(by_first) {}

    [[nodiscard]] size_t dimensions() const noexcept override { return bert_.shape().hidden_size; }

    void embed(std::string_view text, std::span<float> into) const override {
        LOOM_ASSERT(into.size() == dimensions());
        std::ranges::fill(into, 0.0F);
        const std::vector<uint32_t> tokens = pieces_.tokens(text, tokens_max_);
        if (tokens.size() <= 2) return;  // nothing between the marks
        const std::vector<float> states = bert_.run(tokens);
        const size_t rows = by_first_ ? 1 : tokens.size();
        for (size_t row = 0; row < rows; ++row)
            for (size_t i = 0; i < into.size(); ++i) into[i] += states[row * into.size() + i];
        double square = 0;
        for (const float value : into) square += static_cast<double>(value) * static_cast<double>(value);
        const double length = std::sqrt(square);
        const bool is_usable = std::isfinite(length) && length > 0;
        for (float& value : into) value = is_usable ? static_cast<float>(value / length) : 0.0F;
    }

  private:
    Bert bert_;
    WordPiece pieces_;
    size_t tokens_max_;
    bool by_first_;
};

}  // namespace

std::expected<std::unique_ptr<Embedder>, std::string> make_sentence_encoder(const EncoderFiles& files) {
    Settings config("config.json", files.config);
    Settings tokenizer("tokenizer_config.json", files.tokenizer_config);
    Settings sentence("sentence_bert_config.json", files.sentence_config);
    Settings pooling("1_Pooling/config.json", files.pooling);
    const auto shape = read_shape(config);
    if (!shape) return Failure(shape.error());
    if (!tokenizer.is_readable()) return Failure("tokenizer_config.json: is no JSON object");
    if (!sentence.is_readable()) return Failure("sentence_bert_config.json: is no JSON object");
    if (!pooling.is_readable()) return Failure("1_Pooling/config.json: is no JSON object");

    const bool by_first = pooling.flag("pooling_mode_cls_token").value_or(false);
    if (!by_first && !pooling.flag("pooling_mode_mean_tokens").value_or(true))
        return Failure("1_Pooling/config.json: has to pool by the mean of the tokens or by the first (cls)");
    // Working memory and time grow with the square of it: more has to be asked for.
    size_t tokens_max = std::min<size_t>(shape->max_position_embeddings, tokens_max_default);
    if (const auto said = sentence.number("max_seq_length"); said && *said >= 3)
        tokens_max = std::min(shape->max_position_embeddings,
                              static_cast<size_t>(std::min(*said, static_cast<double>(tokens_max_most))));
    if (tokens_max < 3) return Failure("config.json: max_position_embeddings leaves no room for a word");

    auto pieces = WordPiece::read(files.vocabulary, tokenizer.flag("do_lower_case").value_or(true));
    if (!pieces) return Failure(pieces.error());
    if (pieces->size() > shape->vocab_size)
        return Failure(fmt::format("vocab.txt: has {} lines, and config.json says vocab_size {}", pieces->size(),
                                   shape->vocab_size));
    const auto tensors = Safetensors::read(files.weights);
    if (!tensors) return Failure(tensors.error());
    auto bert = Bert::read(*shape, *tensors);
    if (!bert) return Failure(bert.error());
    return std::make_unique<SentenceEncoder>(std::move(*bert), std::move(*pieces), tokens_max, by_first);
}

}  // namespace loom::cache
