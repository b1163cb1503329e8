// elector: a candidate that is nothing but client-go's leader election, for tests that let Go programs and
// tenure share a lock. What kind of lock that is says lock.go. The work that it guards is to say so:
//
//	{"event":"started"}                      the work has begun
//	{"event":"stopped"}                      the work has ended
//	{"event":"leader","identity":"somebody"} as seen on the lock; empty after a release
//
// SIGTERM ends it with 0, the loss of its tenure with 1.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
)

type event struct {
	Event    string  `json:"event"`
	Identity *string `json:"identity,omitempty"`
}

// work ends once and never begins after its end, whoever asks first: client-go calls from several goroutines.
type work struct {
	mutex          sync.Mutex
	running, ended bool
}

func (w *work) say(e event) {
	if err := json.NewEncoder(os.Stdout).Encode(e); err != nil {
		fail(err)
	}
}

func (w *work) start(context.Context) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.ended {
		return
	}
	w.running = true
	w.say(event{Event: "started"})
}

func (w *work) stop() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.running {
		w.say(event{Event: "stopped"})
	}
	w.running, w.ended = false, true
}

func (w *work) sees(leader string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.say(event{Event: "leader", Identity: &leader})
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "elector:", err)
	os.Exit(2)
}

// The versions that it is built of, for whoever wants to know that it is the right one.
func printVersions() {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		fmt.Println(module.Path, module.Version)
	}
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "file")
	namespace := flag.String("namespace", "", "of the lock")
	lease := flag.String("lease", "", "its name")
	id := flag.String("id", "", "identity of this candidate")
	leaseDuration := flag.Duration("lease-duration", 15*time.Second, "")
	renewDeadline := flag.Duration("renew-deadline", 10*time.Second, "")
	retryPeriod := flag.Duration("retry-period", 2*time.Second, "")
	release := flag.Bool("release-on-cancel", false, "give the lock back at the end")
	version := flag.Bool("version", false, "print the modules in it")
	flag.Parse()
	if *version {
		printVersions()
		return
	}

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		fail(err)
	}
	lock, err := newLock(config, *namespace, *lease, *id, *renewDeadline, *retryPeriod)
	if err != nil {
		fail(err)
	}
	var guarded work
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            lock,
		LeaseDuration:   *leaseDuration,
		RenewDeadline:   *renewDeadline,
		RetryPeriod:     *retryPeriod,
		ReleaseOnCancel: *release,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: guarded.start,
			OnStoppedLeading: guarded.stop,
			OnNewLeader:      guarded.sees,
		},
	})
	if err != nil {
		fail(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	go func() {
		<-terminate
		guarded.stop() // before the cancellation, because client-go releases without waiting for the work
		cancel()
	}()
	elector.Run(ctx)
	if ctx.Err() == nil {
		os.Exit(1)
	}
}
