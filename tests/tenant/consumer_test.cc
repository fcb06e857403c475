#include "loom/tenant/consumer.h"

#include <gtest/gtest.h>

namespace loom::tenant {
namespace {

ConsumerOptions consumer(std::string name, std::vector<std::string> keys, std::vector<std::string> hashes = {}) {
    ConsumerOptions out;
    out.consumer.name = std::move(name);
    out.api_keys = std::move(keys);
    out.api_key_sha256 = std::move(hashes);
    return out;
}

ConsumerTable table_of(std::vector<ConsumerOptions> options) {
    auto table = ConsumerTable::build(std::move(options));
    EXPECT_TRUE(table) << table.error();
    return std::move(*table);
}

std::string error_of(std::vector<ConsumerOptions> options) {
    auto table = ConsumerTable::build(std::move(options));
    return table ? "" : table.error();
}

TEST(ConsumerTable, FindsTheOwnerOfAKey) {
    const ConsumerTable table = table_of({consumer("mobile", {"sk-mobile"}), consumer("web", {"sk-web"})});
    ASSERT_TRUE(table.find("sk-mobile"));
    EXPECT_EQ(table.find("sk-mobile")->name, "mobile");
    EXPECT_EQ(table.find("sk-web")->index, 1u);
}

TEST(ConsumerTable, KnowsNoOtherKey) {
    const ConsumerTable table = table_of({consumer("mobile", {"sk-mobile"})});
    for (const char* key : {"", "sk-mobil", "sk-mobile ", "SK-MOBILE", "sk-mobilf", "tk-mobile"})
        EXPECT_FALSE(table.find(key)) << key;
    EXPECT_FALSE(table.find(hex_encode(sha256("sk-mobile")))) << "a stolen hash is no key";
}

TEST(ConsumerTable, TakesHashesInsteadOfKeys) {
    const ConsumerTable table = table_of({consumer("mobile", {}, {hex_encode(sha256("sk-mobile"))})});
    ASSERT_TRUE(table.find("sk-mobile"));
}

TEST(ConsumerTable, TakesOldAndNewKeyWhileAConsumerRotates) {
    const ConsumerTable table = table_of({consumer("mobile", {"sk-old", "sk-new"}, {hex_encode(sha256("sk-newer"))})});
    for (const char* key : {"sk-old", "sk-new", "sk-newer"}) EXPECT_TRUE(table.find(key)) << key;
}

TEST(ConsumerTable, OneConsumerMayNameAKeyTwice) {
    EXPECT_EQ(error_of({consumer("mobile", {"sk", "sk"}, {hex_encode(sha256("sk"))})}), "");
}

ConsumerOptions certified(std::string name, std::vector<std::string> certificates) {
    ConsumerOptions out = consumer(std::move(name), {});
    out.certificates = std::move(certificates);
    return out;
}

TEST(ConsumerTable, FindsWhoseACertificateIs) {
    const std::string print(64, 'a');
    const ConsumerTable table = table_of({certified("a", {"URI:spiffe://x/a", "CN=a,O=X"}), certified("b", {"DNS:b"}),
                                          certified("c", {"sha256:" + print})});
    const auto name = [&table](std::string_view subject, const std::vector<std::string>& names,
                               std::string_view fingerprint = "0") {
        const Consumer* const found = table.find_certificate(subject, names, fingerprint);
        return found == nullptr ? "" : found->name;
    };
    EXPECT_EQ(name("CN=z", {"DNS:z", "URI:spiffe://x/a"}), "a");
    EXPECT_EQ(name("CN=a,O=X", {}), "a");
    EXPECT_EQ(name("CN=a,O=X", {"URI:spiffe://x/a"}), "a");
    EXPECT_EQ(name("CN=a", {}), "") << "a part of a subject is another";
    EXPECT_EQ(name("cn=a,o=x", {}), "");
    EXPECT_EQ(name("", {"DNS:b"}), "b");
    EXPECT_EQ(name("", {"DNS:b", "URI:spiffe://x/a"}), "") << "two consumers'";
    EXPECT_EQ(name("", {}, print), "c");
    EXPECT_EQ(name("", {}, print + "a"), "");
    EXPECT_EQ(name("", {}, std::string(1'000, 'a')), "");
    EXPECT_EQ(table.with_issued({}).find_certificate("", std::vector<std::string>{"DNS:b"}, "")->name, "b");
    const ConsumerTable nobody;
    EXPECT_EQ(nobody.find_certificate("CN=a", {}, print), nullptr);
    const std::string cut = "CN=" + std::string(253, 'x');
    EXPECT_EQ(table_of({certified("a", {cut})}).find_certificate(cut, {}, ""), nullptr) << "it may have been cut";
    EXPECT_EQ(error_of({certified("a", {"DNS:x"}), certified("b", {"DNS:x"})}),
              "consumers 'a' and 'b' have the same certificate");
}

TEST(ConsumerTable, RefusesWhatCouldNotBeMeant) {
    EXPECT_EQ(error_of({consumer("a", {"sk"}), consumer("b", {"sk"})}), "consumers 'a' and 'b' have the same key");
    EXPECT_EQ(error_of({consumer("a", {"x"}), consumer("a", {"y"})}), "consumer 'a' is defined twice");
    EXPECT_EQ(error_of({consumer("a", {""})}), "consumer 'a' has an empty api_key");
    EXPECT_EQ(error_of({consumer("a", {}, {"abc"})}), "consumer 'a': api_key_sha256 must be 64 hexadecimal digits");
}

TEST(ConsumerTable, KnowsWhatAKeyOfItsConsumerHasSigned) {
    std::vector<ConsumerOptions> options(2);
    options[0].consumer.name = "one";
    options[0].api_keys = {"old", "new"};
    options[1].consumer.name = "two";
    options[1].api_keys = {"other"};
    const auto table = ConsumerTable::build(std::move(options));
    ASSERT_TRUE(table);
    for (const char* key : {"old", "new"}) {
        const std::string mac = hex_encode(hmac_sha256(sha256(key), "text"));
        ASSERT_NE(table->find_signer("one", "text", mac), nullptr);
        EXPECT_EQ(table->find_signer("one", "text", mac)->name, "one");
        EXPECT_EQ(table->find_signer("two", "text", mac), nullptr);
        EXPECT_EQ(table->find_signer("one", "texts", mac), nullptr);
        EXPECT_EQ(table->find_signer("three", "text", mac), nullptr);
        EXPECT_EQ(table->find_signer("one", "text", mac.substr(1)), nullptr);
    }
    EXPECT_EQ(ConsumerTable().find_signer("one", "text", std::string(64, '0')), nullptr);
}

TEST(ConsumerTable, NobodyIsInAnEmptyOne) {
    EXPECT_FALSE(ConsumerTable().find("sk"));
    EXPECT_FALSE(table_of({}).find(""));
    EXPECT_FALSE(table_of({consumer("keyless", {})}).find(""));
    EXPECT_TRUE(table_of({consumer("keyless", {})}).named("keyless"));
}

TEST(ConsumerTable, FindsEachOfTenThousand) {
    std::vector<ConsumerOptions> options;
    for (int i = 0; i < 10'000; ++i) options.push_back(consumer("c" + std::to_string(i), {"sk-" + std::to_string(i)}));
    std::vector<ConsumerOptions> fewer(options.begin(), options.begin() + 2000);
    const ConsumerTable table = table_of(std::move(fewer));
    for (uint32_t i = 0; i < 10'000; ++i) {
        const Consumer* found = table.find("sk-" + std::to_string(i));
        if (i < 2000)
            ASSERT_TRUE(found && found->index == i) << i;
        else
            ASSERT_FALSE(found) << i;
    }
}

TEST(Consumer, MayUseWhatItsListsName) {
    Consumer c;
    EXPECT_TRUE(c.may_use_model("gpt-4")) << "no list allows all";
    EXPECT_TRUE(c.may_use_route("ai"));
    c.models = {"gpt-4", "claude-3*"};
    c.routes = {"ai"};
    EXPECT_TRUE(c.may_use_model("gpt-4"));
    EXPECT_TRUE(c.may_use_model("claude-3-opus"));
    EXPECT_FALSE(c.may_use_model("gpt-4o")) << "a name is no prefix";
    EXPECT_FALSE(c.may_use_model("claude-2"));
    EXPECT_FALSE(c.may_use_model(""));
    EXPECT_FALSE(c.may_use_route("admin"));
}

TEST(Consumer, ExpiresAtItsSecond) {
    Consumer c;
    EXPECT_FALSE(c.expired(INT64_MAX));
    c.expires_unix_s = 1000;
    EXPECT_FALSE(c.expired(999));
    EXPECT_TRUE(c.expired(1000));
}

TEST(BearerToken, IsWhatFollowsTheScheme) {
    EXPECT_EQ(bearer_token("Bearer sk-1"), "sk-1");
    EXPECT_EQ(bearer_token("bearer sk-1"), "sk-1");
    EXPECT_EQ(bearer_token("BEARER \t sk-1 "), "sk-1");
}

TEST(BearerToken, IsEmptyForOtherCredentials) {
    for (const char* value : {"", "Bearer", "Bearer ", "Bearersk-1", "Basic dTpw", "sk-1", "Bear er sk-1"})
        EXPECT_EQ(bearer_token(value), "") << value;
}

TEST(ConsumerTable, IssuedKeysComeToThoseOfTheConfAndTakeNoneOfThem) {
    const ConsumerTable conf = table_of({consumer("mobile", {"sk-mobile"}), consumer("web", {})});
    const ConsumerTable issued = conf.with_issued({{.consumer = "web", .hash = sha256("sk-1")},
                                                   {.consumer = "web", .hash = sha256("sk-mobile")},
                                                   {.consumer = "nobody", .hash = sha256("sk-2")}});
    ASSERT_TRUE(issued.find("sk-1"));
    EXPECT_EQ(issued.find("sk-1")->name, "web");
    EXPECT_EQ(issued.find("sk-mobile")->name, "mobile");
    EXPECT_FALSE(issued.find("sk-2"));
    EXPECT_FALSE(conf.find("sk-1"));
    const ConsumerTable later = issued.with_issued({{.consumer = "mobile", .hash = sha256("sk-3")}});
    EXPECT_FALSE(later.find("sk-1")) << "those that it had are replaced";
    ASSERT_TRUE(later.find("sk-3"));
    EXPECT_EQ(later.find("sk-mobile")->name, "mobile");
    EXPECT_FALSE(later.with_issued({}).find("sk-3"));
}

TEST(ConsumerTable, ManyIssuedKeysAreAllFound) {
    ConsumerTable table = table_of({consumer("mobile", {"sk-mobile"})});
    std::vector<IssuedKey> keys;
    for (int i = 0; i < 5'000; ++i) keys.push_back({.consumer = "mobile", .hash = sha256("sk-" + std::to_string(i))});
    for (int turn = 0; turn < 3; ++turn) table = table.with_issued(keys);
    for (int i = 0; i < 5'000; ++i) ASSERT_TRUE(table.find("sk-" + std::to_string(i)));
    EXPECT_FALSE(table.find("sk-5000"));
    EXPECT_TRUE(table.find("sk-mobile"));
}

}  // namespace
}  // namespace loom::tenant
