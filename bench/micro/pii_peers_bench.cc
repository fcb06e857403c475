// Loom's whole set of personal data and secrets beside Vectorscan and RE2 looking for the same: an expression for each
// type's form, none of which can tell a check digit. Each must find what was planted before it is timed on text that
// holds nothing.
#include <benchmark/benchmark.h>
#include <hs/hs.h>
#include <re2/set.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loom/guard/pii_scanner.h"

namespace loom::guard {
namespace {

constexpr const char* expressions[] = {
    R"([A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+)",  // email
    R"(\b(?:\d[ -]?){12,18}\d\b)",                                             // credit_card
    R"(\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b)",          // iban
    R"(\b\d{3}-\d{2}-\d{4}\b)",                                                // ssn, itin
    R"(\b[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b)",                             // uk_nino
    R"(\b\d{3} ?\d{3} ?\d{4}\b)",                                              // uk_nhs
    R"(\b[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]\b)",                           // it_codice_fiscale
    R"(\b(?:\d{8}|[XYZ]\d{7})-?[A-Z]\b)",                                      // es_dni
    R"(\b\d{3}\.\d{3}\.\d{3}-\d{2}\b)",                                        // br_cpf
    R"(\b\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}\b)",                                  // br_cnpj
    R"(\b[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3} ?\d{2}\b)",                   // fr_nir
    R"(\b\d{8,12}\b)",                                                         // ids of digits alone
    R"(\b\d{4} \d{4} \d{4}\b)",                                                // in_aadhaar
    R"(\b\d{4} ?\d{5} ?\d\b)",                                                 // au_medicare
    R"((?:\+\d{1,3}[ .-]?)?\(?\d{2,4}\)?[ .-]\d{3,4}[ .-]\d{3,4}\b)",          // phone
    R"(\b(?:\d{1,3}\.){3}\d{1,3}\b)",                                          // ip, v4
    R"(\b(?:[0-9a-fA-F]{1,4}:){2,7}[0-9a-fA-F]{1,4}\b)",                       // v6
    R"(\b(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}\b)",                          // mac
    R"(\b[13][1-9A-HJ-NP-Za-km-z]{25,34}\b)",                                  // crypto_wallet
    R"(\b0x[0-9a-fA-F]{40}\b)",
    R"(\bbc1[02-9ac-hj-np-z]{11,71}\b)",
    R"([a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,64}:[^\s/@]{1,64}@[^\s/]{1,100})",                        // url_credentials
    R"(-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----)",                                                    // private_key
    R"(\beyJ[A-Za-z0-9_-]{8,200}\.[A-Za-z0-9_-]{8,200}\.[A-Za-z0-9_-]{8,200})",                      // jwt
    R"(\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)",                                                              // aws_key
    R"(\bAIza[0-9A-Za-z_-]{35}\b)",                                                                  // gcp_key
    R"(\bgh[pousr]_[A-Za-z0-9]{36}\b)",                                                              // github_token
    R"(\bxox[abprs]-[A-Za-z0-9-]{10,100}\b)",                                                        // slack_token
    R"(\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,100}\b)",                                                // stripe_key
    R"(\bsk-[A-Za-z0-9_-]{20,100}\b)",                                                               // api_key
    R"(\bAccountKey=[A-Za-z0-9+/]{86}==)",                                                           // azure_key
    R"((?i)\b(?:password|passwd|secret|token|api_?key)["']?\s{0,4}[:=]\s{0,4}["']?[^\s"']{8,100})",  // secret
};

constexpr std::string_view planted[] = {"mail ann@example.org now", "card 4111 1111 1111 1111 paid",
                                        "ssn 123-45-6789 of", "key AKIAIOSFODNN7EXAMPL3 is", "at 10.0.0.1 there"};

// Of the guard's own bench: prose, a program, and digits.
constexpr std::string_view texts[] = {
    "The committee met on Tuesday and agreed to postpone the decision until the audit is finished. Nobody was "
    "surprised, since the figures had been late for months and the chair had warned that they would be. ",
    "for (size_t i = 0; i < items.size(); ++i) { const auto& item = items[i]; if (item.key == \"name\") total += "
    "item.count * 2; else map[item.key] = std::max<uint64_t>(item.count, 1024); }\n",
    "2026-11-22 01:48:17.249 412 10293 0.25 78.1 id=48213377 took 18.2 ms, 1209 of 4096 rows, 20481 bytes at "
    "0x7f3a12\n"};

std::string filled(int64_t with) {
    constexpr size_t size = 65536;
    std::string text;
    while (text.size() < size) text += texts[static_cast<size_t>(with)];
    text.resize(size);
    return text;
}

void check(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "pii_peers_bench: wrong answer: %s\n", what);
    std::abort();
}

template <class Finds>
void run(benchmark::State& state, Finds&& finds) {
    for (const std::string_view text : planted) check(finds(text) > 0, std::string(text).c_str());
    const std::string text = filled(state.range(0));
    for (auto _ : state) {
        uint64_t found = finds(text);
        benchmark::DoNotOptimize(found);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

void loom_pii(benchmark::State& state) {
    const PiiScanner scanner(PiiTypes::all());
    run(state, [&](std::string_view text) {
        uint64_t found = 0;
        scanner.scan(text, [&](const PiiSpan&) { found += 1; });
        return found;
    });
}

/// flags  HS_FLAG_SOM_LEFTMOST: where each begins, which who masks must know; 0: that there is one.
void vectorscan(benchmark::State& state, unsigned flag) {
    std::vector<unsigned> flags(std::size(expressions), flag), ids;
    for (unsigned i = 0; i < std::size(expressions); ++i) ids.push_back(i);
    hs_database_t* database = nullptr;
    hs_compile_error_t* error = nullptr;
    for (size_t i = 0; flag != 0 && i < flags.size(); ++i) {  // some are too large for that
        if (hs_compile(expressions[i], flag, HS_MODE_BLOCK, nullptr, &database, &error) != HS_SUCCESS) flags[i] = 0;
        hs_free_compile_error(std::exchange(error, nullptr));
        hs_free_database(std::exchange(database, nullptr));
    }
    hs_scratch_t* scratch = nullptr;
    check(hs_compile_multi(expressions, flags.data(), ids.data(), std::size(expressions), HS_MODE_BLOCK, nullptr,
                           &database, &error) == HS_SUCCESS,
          error != nullptr ? error->message : "");
    check(hs_alloc_scratch(database, &scratch) == HS_SUCCESS, "scratch");
    run(state, [&](std::string_view text) {
        uint64_t found = 0;
        const auto on_match = [](unsigned, unsigned long long, unsigned long long, unsigned, void* count) {
            *static_cast<uint64_t*>(count) += 1;
            return 0;
        };
        check(hs_scan(database, text.data(), static_cast<unsigned>(text.size()), 0, scratch, on_match, &found) ==
                  HS_SUCCESS,
              "scan");
        return found;
    });
    hs_free_scratch(scratch);
    hs_free_database(database);
}
void vectorscan_where(benchmark::State& state) { vectorscan(state, HS_FLAG_SOM_LEFTMOST); }
void vectorscan_whether(benchmark::State& state) { vectorscan(state, 0); }

/// Which of them there are: where, each would have to be asked once more.
void re2_set(benchmark::State& state) {
    RE2::Options options;
    options.set_encoding(RE2::Options::EncodingLatin1);
    options.set_max_mem(256 << 20);
    RE2::Set set(options, RE2::UNANCHORED);
    for (const char* const expression : expressions) check(set.Add(expression, nullptr) >= 0, expression);
    check(set.Compile(), "compile");
    std::vector<int> matched;
    run(state, [&](std::string_view text) {
        set.Match(re2::StringPiece(text.data(), text.size()), &matched);
        return matched.size();
    });
}

// 0: prose, 1: a program, 2: digits.
BENCHMARK(loom_pii)->DenseRange(0, 2);
BENCHMARK(vectorscan_where)->DenseRange(0, 2);
BENCHMARK(vectorscan_whether)->DenseRange(0, 2);
BENCHMARK(re2_set)->DenseRange(0, 2);

}  // namespace
}  // namespace loom::guard

BENCHMARK_MAIN();
