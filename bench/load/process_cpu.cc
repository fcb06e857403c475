#include "process_cpu.h"

#include <dirent.h>

#include <cstdio>
#include <cstring>
#include <string>

namespace bench {

static int64_t thread_cpu_ns(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "r");
    if (file == nullptr) return 0;  // the thread has ended meanwhile
    long long ns = 0;
    if (std::fscanf(file, "%lld", &ns) != 1) ns = 0;
    std::fclose(file);
    return ns;
}

static int64_t process_cpu_ns(int pid) {
    const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
    DIR* dir = opendir(tasks.c_str());
    if (dir == nullptr) return 0;
    int64_t sum = 0;
    while (const dirent* entry = readdir(dir)) {
        if (entry->d_name[0] != '.') sum += thread_cpu_ns(tasks + "/" + entry->d_name + "/schedstat");
    }
    closedir(dir);
    return sum;
}

static int64_t process_rss_kb(int pid) {
    std::FILE* file = std::fopen(("/proc/" + std::to_string(pid) + "/status").c_str(), "r");
    if (file == nullptr) return 0;
    char line[256];
    long long kb = 0;
    while (std::fgets(line, sizeof line, file) != nullptr) {
        if (std::sscanf(line, "VmRSS: %lld", &kb) == 1) break;
    }
    std::fclose(file);
    return kb;
}

ProcessSample sample_processes(const std::vector<int>& pids) {
    ProcessSample sample;
    for (const int pid : pids) {
        sample.cpu_ns += process_cpu_ns(pid);
        sample.rss_kb += process_rss_kb(pid);
    }
    return sample;
}

}  // namespace bench
