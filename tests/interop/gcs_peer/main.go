// gcs_peer: holds and contends for an object in Google Cloud Storage as the Go controller of another cluster
// does, gke-labs/multicluster-leader-election: the record has three fields, and a holder is believed dead when its
// renewTime is older than the lease duration of the reader, by the reader's wall clock. It says, whenever that
// changes:
//
//	leading with 7      it holds the lock, whose leaseTransitions are 7
//	held by somebody    that candidate holds it, and has renewed in time
//	lost                it held the lock, and no longer does
//
// SIGTERM and SIGINT end it with 0, and leave the record as it is: that controller cannot give a lock back.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	requestTimeout = 10 * time.Second
	maxBody        = 1 << 20
)

var (
	errNotFound = errors.New("no such object")
	errConflict = errors.New("somebody else has written")
)

type record struct {
	HolderIdentity   string    `json:"holderIdentity"`
	RenewTime        time.Time `json:"renewTime"`
	LeaseTransitions int       `json:"leaseTransitions"`
}

// -----------------------------------------------------------------------------------------------------------------
// object: one object over the JSON API, https://cloud.google.com/storage/docs/json_api/v1/objects

type object struct {
	endpoint, bucket, name string
	client                 http.Client
}

func (o *object) send(ctx context.Context, method, address string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := o.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode == http.StatusNotFound:
		return nil, errNotFound
	case answer.StatusCode == http.StatusPreconditionFailed, answer.StatusCode == http.StatusConflict:
		return nil, errConflict
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s %s: %s: %.200s", method, address, answer.Status, content)
	}
	return content, nil
}

// Two requests, between which somebody may write: the content may be newer than the generation.
func (o *object) read(ctx context.Context) (record, string, error) {
	address := fmt.Sprintf("%s/storage/v1/b/%s/o/%s", o.endpoint, url.PathEscape(o.bucket), url.PathEscape(o.name))
	var attributes struct {
		Generation string `json:"generation"`
	}
	var found record
	for _, part := range []struct {
		query string
		into  any
	}{{"", &attributes}, {"?alt=media", &found}} {
		content, err := o.send(ctx, http.MethodGet, address+part.query, nil)
		if err != nil {
			return record{}, "", err
		}
		if err := json.Unmarshal(content, part.into); err != nil {
			return record{}, "", fmt.Errorf("%s%s: %w", address, part.query, err)
		}
	}
	return found, attributes.Generation, nil
}

// Only over this generation; "0": only if there is no such object.
func (o *object) write(ctx context.Context, wanted record, generation string) error {
	body, err := json.Marshal(wanted)
	if err != nil {
		return err
	}
	query := url.Values{"uploadType": {"media"}, "name": {o.name}, "ifGenerationMatch": {generation}}
	address := fmt.Sprintf("%s/upload/storage/v1/b/%s/o?%s", o.endpoint, url.PathEscape(o.bucket), query.Encode())
	_, err = o.send(ctx, http.MethodPost, address, body)
	return err
}

// -----------------------------------------------------------------------------------------------------------------
// candidate

type candidate struct {
	object        object
	id            string
	leaseDuration time.Duration
	clockOffset   time.Duration

	leading bool
	renewed time.Time // by its own clock, while it leads
	said    string
}

func (c *candidate) now() time.Time { return time.Now().Add(c.clockOffset) }

func (c *candidate) say(text string) {
	if text != c.said {
		fmt.Println(text)
	}
	c.said = text
}

// What it would write over what it has read; false: somebody else holds the lock.
func (c *candidate) wish(found record) (record, bool) {
	wanted := record{HolderIdentity: c.id, RenewTime: c.now().UTC(), LeaseTransitions: found.LeaseTransitions}
	if found.HolderIdentity == c.id || found.HolderIdentity == "" {
		return wanted, true
	}
	wanted.LeaseTransitions++
	return wanted, c.now().Sub(found.RenewTime) > c.leaseDuration
}

// One look, and one write if there is something to win; then what the object says.
func (c *candidate) turn(ctx context.Context) (record, error) {
	found, generation, err := c.object.read(ctx)
	wanted, wants := c.wish(found)
	if errors.Is(err, errNotFound) {
		wanted.LeaseTransitions, wants, generation, err = 1, true, "0", nil
	}
	if err != nil || !wants {
		return found, err
	}
	if err := c.object.write(ctx, wanted, generation); err != nil && !errors.Is(err, errConflict) {
		return record{}, err
	}
	found, _, err = c.object.read(ctx)
	return found, err
}

func (c *candidate) contend(ctx context.Context) {
	found, err := c.turn(ctx)
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "gcs_peer:", err)
	}
	leads := err == nil && found.HolderIdentity == c.id
	if leads {
		c.leading, c.renewed = true, found.RenewTime
		c.say(fmt.Sprintf("leading with %d", found.LeaseTransitions))
		return
	}
	if c.leading && (err == nil || c.now().Sub(c.renewed) > c.leaseDuration) {
		c.leading = false
		c.say("lost")
	}
	if err == nil && found.HolderIdentity != "" {
		c.say("held by " + found.HolderIdentity)
	}
}

func main() {
	var c candidate
	flag.StringVar(&c.object.endpoint, "endpoint", "https://storage.googleapis.com", "URL of the API")
	flag.StringVar(&c.object.bucket, "bucket", "", "its name")
	flag.StringVar(&c.object.name, "object", "", "the lock")
	flag.StringVar(&c.id, "id", "", "identity of this candidate")
	flag.DurationVar(&c.leaseDuration, "lease-duration", 15*time.Second, "")
	retryPeriod := flag.Duration("retry-period", 2*time.Second, "")
	flag.DurationVar(&c.clockOffset, "clock-offset", 0, "added to the wall clock of this machine")
	flag.Parse()
	if c.object.bucket == "" || c.object.name == "" || c.id == "" || *retryPeriod <= 0 {
		fmt.Fprintln(os.Stderr, "gcs_peer: give --bucket, --object, --id and a --retry-period above zero")
		os.Exit(2)
	}
	c.object.endpoint = strings.TrimSuffix(c.object.endpoint, "/")
	c.object.client.Timeout = requestTimeout

	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	for ctx.Err() == nil {
		c.contend(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(*retryPeriod):
		}
	}
}
