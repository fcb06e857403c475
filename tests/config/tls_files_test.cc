// The files that TLS lives from, as they are found: pipes, endless ones, half ones.
#include "tls_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tls_certificates.h"

namespace loom::app {
namespace {

using net::test::Authority;

class TlsFilesTest : public testing::Test {
  protected:
    TlsFilesTest() {
        std::string pattern = testing::TempDir() + "loom-files-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
    }
    ~TlsFilesTest() override { std::filesystem::remove_all(directory_); }

    std::string file(const std::string& name) const { return directory_ + "/" + name; }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(file(name), std::ios::trunc) << text;
    }
    /// What nobody may wait for, or read to its end.
    void put_odd_file(const std::string& name, bool endless) const {
        std::filesystem::remove(file(name));
        if (endless)
            std::filesystem::create_symlink("/dev/zero", file(name));
        else
            ASSERT_EQ(::mkfifo(file(name).c_str(), 0600), 0);
    }

    TlsFiles files_;
    std::string text_;

  private:
    std::string directory_;
};

TEST_F(TlsFilesTest, APipeOrAnEndlessFileIsRefusedAndNobodyWaits) {
    for (const bool endless : {false, true}) {
        put_odd_file("ca.pem", endless);
        files_.begin(TlsFiles::Fault::refuse);
        EXPECT_FALSE(files_.trust(file("ca.pem"), text_));
        EXPECT_NE(text_.find("ca.pem: not a file; remedy:"), std::string::npos) << text_;
        put_odd_file("host.crt", endless);
        EXPECT_FALSE(files_.key_pair(file("host.crt"), "", text_));
        EXPECT_NE(text_.find("host.crt: not a file; remedy:"), std::string::npos) << text_;
    }
}

TEST_F(TlsFilesTest, OneThatIsTooLargeIsRefused) {
    write("ca.pem", std::string((8 << 20) + 1, '\n'));
    EXPECT_FALSE(files_.trust(file("ca.pem"), text_));
    EXPECT_NE(text_.find("ca.pem: over 8388608 bytes"), std::string::npos) << text_;
}

TEST_F(TlsFilesTest, WhatBecomesAPipeLeavesTheOldInForce) {
    const Authority authority;
    write("ca.pem", authority.pem());
    files_.begin(TlsFiles::Fault::refuse);
    const auto before = files_.trust(file("ca.pem"), text_);
    ASSERT_TRUE(before) << text_;
    files_.watch();
    for (const bool endless : {false, true}) {
        put_odd_file("ca.pem", endless);
        EXPECT_TRUE(files_.changed());
        files_.begin(TlsFiles::Fault::keep);
        const auto after = files_.trust(file("ca.pem"), text_);
        ASSERT_TRUE(after);
        EXPECT_EQ(*after, *before);
        files_.watch();
        EXPECT_FALSE(files_.changed());
    }
    EXPECT_EQ(files_.failure_count(), 2u);
}

TEST_F(TlsFilesTest, TheSameBytesAreTheSameTrust) {
    const Authority one, other("Another CA");
    write("ca.pem", one.pem());
    files_.begin(TlsFiles::Fault::refuse);
    const auto before = files_.trust(file("ca.pem"), text_);
    ASSERT_TRUE(before) << text_;
    std::filesystem::remove(file("ca.pem"));
    write("ca.pem", one.pem());
    EXPECT_EQ(*files_.trust(file("ca.pem"), text_), *before);
    write("ca.pem", other.pem());
    EXPECT_NE(*files_.trust(file("ca.pem"), text_), *before);
}

}  // namespace
}  // namespace loom::app
