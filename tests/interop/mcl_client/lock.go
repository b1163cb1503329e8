package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

var (
	kind     = schema.GroupVersionKind{Group: "multicluster.core.cnrm.cloud.google.com", Version: "v1alpha1", Kind: "MultiClusterLease"}
	resource = kind.GroupVersion().WithResource("multiclusterleases")
)

const pollInterval = time.Second

var errNotConfirmed = errors.New("failed to confirm leadership in status")

// multiClusterLease is what a client reads of the object.
type multiClusterLease struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		LeaseDurationSeconds int `json:"leaseDurationSeconds"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration     int64  `json:"observedGeneration"`
		GlobalHolderIdentity   string `json:"globalHolderIdentity"`
		GlobalRenewTime        string `json:"globalRenewTime"`
		GlobalLeaseTransitions int    `json:"globalLeaseTransitions"`
	} `json:"status"`
}

// lock is a MultiClusterLease as its Go clients use it: a candidate writes its wish into the spec, and leads when
// the controller of its cluster has confirmed that in the status. The protocol is that of
// gke-labs/multicluster-leader-election; the program stands in for those clients.
type lock struct {
	objects     dynamic.ResourceInterface
	namespace   string
	name        string
	identity    string
	retryPeriod time.Duration
}

// The requests are bounded as client-go bounds those for a Lease.
func newLock(config *rest.Config, namespace, name, identity string, renewDeadline, retryPeriod time.Duration) (
	resourcelock.Interface, error) {
	bounded := rest.CopyConfig(config)
	bounded.Timeout = max(renewDeadline/2, time.Second)
	client, err := dynamic.NewForConfig(bounded)
	if err != nil {
		return nil, err
	}
	return &lock{
		objects:     client.Resource(resource).Namespace(namespace),
		namespace:   namespace,
		name:        name,
		identity:    identity,
		retryPeriod: retryPeriod,
	}, nil
}

func (l *lock) Identity() string   { return l.identity }
func (l *lock) Describe() string   { return fmt.Sprintf("%s/%s", l.namespace, l.name) }
func (l *lock) RecordEvent(string) {}

func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	object, err := l.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	record := resourcelock.LeaderElectionRecord{
		HolderIdentity:       object.Status.GlobalHolderIdentity,
		LeaseDurationSeconds: object.Spec.LeaseDurationSeconds,
		AcquireTime:          object.Metadata.CreationTimestamp,
		LeaderTransitions:    object.Status.GlobalLeaseTransitions,
	}
	if text := object.Status.GlobalRenewTime; text != "" {
		renewed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, nil, fmt.Errorf("status.globalRenewTime of %s: %w", l.Describe(), err)
		}
		record.RenewTime = metav1.NewTime(renewed)
	}
	raw, err := json.Marshal(record)
	return &record, raw, err
}

func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	object := &unstructured.Unstructured{Object: map[string]any{"spec": l.spec(record)}}
	object.SetGroupVersionKind(kind)
	object.SetName(l.name)
	created, err := l.objects.Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return l.confirm(ctx, record, created.GetGeneration())
}

func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if _, err := l.read(ctx); err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"spec": l.spec(record)})
	if err != nil {
		return err
	}
	if _, err := l.objects.Patch(ctx, l.name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return err
	}
	object, err := l.read(ctx)
	if err != nil {
		return err
	}
	return l.confirm(ctx, record, object.Metadata.Generation)
}

func (l *lock) read(ctx context.Context) (*multiClusterLease, error) {
	found, err := l.objects.Get(ctx, l.name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	var object multiClusterLease
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(found.Object, &object); err != nil {
		return nil, err
	}
	return &object, nil
}

func (l *lock) spec(record resourcelock.LeaderElectionRecord) map[string]any {
	return map[string]any{
		"holderIdentity":       record.HolderIdentity,
		"renewTime":            record.RenewTime.UTC().Format(metav1.RFC3339Micro),
		"leaseDurationSeconds": int64(record.LeaseDurationSeconds),
		"retryPeriodSeconds":   int64(l.retryPeriod / time.Second),
	}
}

// The status must answer this generation and name this holder. It never names nobody in so many words: who gives
// the lock back waits for that in vain, until the duration of one second is over that a release writes.
func (l *lock) confirm(ctx context.Context, record resourcelock.LeaderElectionRecord, generation int64) error {
	atMost := time.Duration(record.LeaseDurationSeconds) * time.Second
	err := wait.PollUntilContextTimeout(ctx, pollInterval, atMost, true, func(ctx context.Context) (bool, error) {
		object, err := l.read(ctx)
		if err != nil {
			return false, nil // perhaps the next one answers
		}
		status := object.Status
		return status.ObservedGeneration >= generation && status.GlobalHolderIdentity != "" &&
			status.GlobalHolderIdentity == record.HolderIdentity, nil
	})
	if err != nil {
		return errNotConfirmed
	}
	return nil
}
