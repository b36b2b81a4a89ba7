/* A foreign program, for the tests of the preloaded library: it tells the time in every way, and waits in every way.
 *
 * On standard input a line each: `read`, `wait KIND MILLISECONDS`, or `bench READS`; the answer is one line of JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long ns(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

static struct timespec by(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t)) exit(9);
  return t;
}

static void tell_the_time(void) {
  struct timeval tv;
  struct timespec ts;
  long long wall = ns(by(CLOCK_REALTIME));
  long long coarse = ns(by(CLOCK_REALTIME_COARSE));
  gettimeofday(&tv, NULL);
  timespec_get(&ts, TIME_UTC);
  printf("{\"clock_gettime\":%lld,\"coarse\":%lld,\"gettimeofday\":%lld,\"timespec_get\":%lld,\"time\":%lld,\"monotonic\":%lld}\n",
         wall, coarse, tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL, ns(ts), (long long)time(NULL) * 1000000000LL,
         ns(by(CLOCK_MONOTONIC)));
}

static struct timespec later(clockid_t clock, long ms) {
  struct timespec t = by(clock);
  t.tv_sec += ms / 1000;
  t.tv_nsec += ms % 1000 * 1000000;
  if (t.tv_nsec >= 1000000000) {
    t.tv_sec++;
    t.tv_nsec -= 1000000000;
  }
  return t;
}

struct held {
  pthread_mutex_t mutex;
  pthread_rwlock_t lock;
  pthread_barrier_t taken, finished;
};

/* Locks have to be held by another thread to be waited for. */
static void *hold(void *argument) {
  struct held *held = argument;
  pthread_mutex_lock(&held->mutex);
  pthread_rwlock_wrlock(&held->lock);
  pthread_barrier_wait(&held->taken);
  pthread_barrier_wait(&held->finished);
  pthread_rwlock_unlock(&held->lock);
  pthread_mutex_unlock(&held->mutex);
  return NULL;
}

static int wait_for(const char *kind, long ms) {
  pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  struct timespec wall = later(CLOCK_REALTIME, ms), monotonic = later(CLOCK_MONOTONIC, ms);
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  pthread_mutex_lock(&own);
  if (!strcmp(kind, "cond_timedwait")) return pthread_cond_timedwait(&condition, &own, &wall);
  if (!strcmp(kind, "cond_timedwait monotonic")) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&condition, &attributes);
    return pthread_cond_timedwait(&condition, &own, &monotonic);
  }
  if (!strcmp(kind, "cond_clockwait")) return pthread_cond_clockwait(&condition, &own, CLOCK_REALTIME, &wall);
  if (!strcmp(kind, "cond_clockwait monotonic"))
    return pthread_cond_clockwait(&condition, &own, CLOCK_MONOTONIC, &monotonic);
  if (!strcmp(kind, "sem_timedwait")) return sem_timedwait(&semaphore, &wall) ? errno : 0;
  if (!strcmp(kind, "sem_clockwait")) return sem_clockwait(&semaphore, CLOCK_REALTIME, &wall) ? errno : 0;
  if (!strcmp(kind, "clock_nanosleep absolute"))
    return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &wall, NULL) ? -1 : ETIMEDOUT;
  if (!strcmp(kind, "clock_nanosleep relative")) {
    struct timespec length = {ms / 1000, ms % 1000 * 1000000};
    return clock_nanosleep(CLOCK_REALTIME, 0, &length, NULL) ? -1 : ETIMEDOUT;
  }
  if (!strcmp(kind, "mq_timedreceive")) {
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    char name[64], message[8];
    snprintf(name, sizeof name, "/quarrel-probe-%d", (int)getpid());
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    if (queue == (mqd_t)-1) return ETIMEDOUT; /* no queues here: nothing to test */
    mq_unlink(name);
    int status = mq_timedreceive(queue, message, sizeof message, NULL, &wall) < 0 ? errno : 0;
    mq_close(queue);
    return status;
  }

  struct held held = {.mutex = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_RWLOCK_INITIALIZER};
  pthread_barrier_init(&held.taken, NULL, 2);
  pthread_barrier_init(&held.finished, NULL, 2);
  pthread_t holder;
  pthread_create(&holder, NULL, hold, &held);
  pthread_barrier_wait(&held.taken);
  int status = -2;
  if (!strcmp(kind, "mutex_timedlock")) status = pthread_mutex_timedlock(&held.mutex, &wall);
  if (!strcmp(kind, "mutex_clocklock")) status = pthread_mutex_clocklock(&held.mutex, CLOCK_REALTIME, &wall);
  if (!strcmp(kind, "rwlock_timedrdlock")) status = pthread_rwlock_timedrdlock(&held.lock, &wall);
  if (!strcmp(kind, "rwlock_timedwrlock")) status = pthread_rwlock_timedwrlock(&held.lock, &wall);
  pthread_barrier_wait(&held.finished);
  pthread_join(holder, NULL);
  return status;
}

int main(void) {
  char line[128];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    if (!strcmp(line, "read")) {
      tell_the_time();
    } else if (!strncmp(line, "wait ", 5)) {
      char *ms = strrchr(line, ' ');
      *ms++ = 0;
      long long before = ns(by(CLOCK_MONOTONIC));
      int status = wait_for(line + 5, atol(ms));
      printf("{\"timed_out\":%s,\"status\":%d,\"waited\":%lld}\n", status == ETIMEDOUT ? "true" : "false", status,
             ns(by(CLOCK_MONOTONIC)) - before);
    } else if (!strncmp(line, "bench ", 6)) {
      long reads = atol(line + 6);
      long long before = ns(by(CLOCK_PROCESS_CPUTIME_ID));
      for (long i = 0; i < reads; i++) by(CLOCK_REALTIME);
      printf("{\"ns_per_read\":%.2f}\n", (double)(ns(by(CLOCK_PROCESS_CPUTIME_ID)) - before) / reads);
    }
  }
}
