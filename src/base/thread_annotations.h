#pragma once

// Clang's thread-safety annotations under our names; empty for other compilers.
// https://clang.llvm.org/docs/ThreadSafetyAnalysis.html

#if defined(__clang__)
#define NOKV_ANNOTATION_(x) __attribute__((x))
#else
#define NOKV_ANNOTATION_(x)
#endif

#define NOKV_CAPABILITY(x) NOKV_ANNOTATION_(capability(x))
#define NOKV_SCOPED_CAPABILITY NOKV_ANNOTATION_(scoped_lockable)
#define NOKV_GUARDED_BY(x) NOKV_ANNOTATION_(guarded_by(x))
#define NOKV_PT_GUARDED_BY(x) NOKV_ANNOTATION_(pt_guarded_by(x))
#define NOKV_REQUIRES(...) NOKV_ANNOTATION_(requires_capability(__VA_ARGS__))
#define NOKV_EXCLUDES(...) NOKV_ANNOTATION_(locks_excluded(__VA_ARGS__))
#define NOKV_ACQUIRE(...) NOKV_ANNOTATION_(acquire_capability(__VA_ARGS__))
#define NOKV_RELEASE(...) NOKV_ANNOTATION_(release_capability(__VA_ARGS__))
#define NOKV_TRY_ACQUIRE(...) NOKV_ANNOTATION_(try_acquire_capability(__VA_ARGS__))
#define NOKV_NO_THREAD_SAFETY_ANALYSIS NOKV_ANNOTATION_(no_thread_safety_analysis)
