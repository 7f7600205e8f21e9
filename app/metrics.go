package app

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the numbers of /metrics. It is safe for concurrent use.
type Metrics struct {
	registry   *prometheus.Registry
	webhooks   *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	cycles     *prometheus.CounterVec
	cycleTime  prometheus.Histogram
	commits    prometheus.Counter
	writes     prometheus.Counter
	conflicts  *prometheus.GaugeVec
	requests   *prometheus.CounterVec
}

// metricsTimeout bounds what is counted when the numbers are asked for.
const metricsTimeout = 5 * time.Second

// NewMetrics makes the numbers. inbox and queue are asked whenever they are read; an error leaves the last value.
func NewMetrics(inbox, queue func(context.Context) (int, error)) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "hnp_sync", Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	m.webhooks = counter("webhooks_total", "Webhooks answered.", "source", "event", "status")
	m.deliveries = counter("deliveries_total", "Stored deliveries worked on: echo, queued or failed.", "source", "event", "outcome")
	m.cycles = counter("cycles_total", "Cycles by outcome.", "outcome")
	m.requests = counter("requests_total", "Requests sent, by host and route.", "host", "method", "route", "status")
	m.cycleTime = prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "hnp_sync", Name: "cycle_seconds", Help: "Duration of cycles.",
		Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800}})
	m.commits = prometheus.NewCounter(prometheus.CounterOpts{Namespace: "hnp_sync", Name: "commits_total", Help: "Commits written."})
	m.writes = prometheus.NewCounter(prometheus.CounterOpts{Namespace: "hnp_sync", Name: "netbox_writes_total", Help: "Write requests to NetBox answered with success."})
	m.conflicts = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "hnp_sync", Name: "conflicts_open", Help: "Open conflicts by fabric."}, []string{"fabric"})
	m.registry.MustRegister(m.cycleTime, m.commits, m.writes, m.conflicts, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, ask func(context.Context) (int, error)) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "hnp_sync", Name: name, Help: help}, asked(ask)))
	}
	gauge("deliveries_waiting", "Stored deliveries not worked on yet.", inbox)
	gauge("queue_jobs", "Jobs that wait or run.", queue)
	return m
}

// asked is the value of a gauge that is counted when it is read. The registry reads one at a time.
func asked(ask func(context.Context) (int, error)) func() float64 {
	last := 0
	return func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), metricsTimeout)
		defer cancel()
		if n, err := ask(ctx); err == nil {
			last = n
		}
		return float64(last)
	}
}

// Handler serves the numbers.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2})
}

// Webhook counts an answered webhook.
func (m *Metrics) Webhook(source, event string, status int) {
	m.webhooks.WithLabelValues(source, event, strconv.Itoa(status)).Inc()
}

// Delivery counts a delivery that was worked on.
func (m *Metrics) Delivery(source, event, outcome string) {
	m.deliveries.WithLabelValues(source, event, outcome).Inc()
}

// Cycle counts a cycle.
func (m *Metrics) Cycle(outcome string, took time.Duration, commits, netboxWrites int) {
	m.cycles.WithLabelValues(outcome).Inc()
	m.cycleTime.Observe(took.Seconds())
	m.commits.Add(float64(commits))
	m.writes.Add(float64(netboxWrites))
}

// Conflicts sets the number of open conflicts of a fabric.
func (m *Metrics) Conflicts(fabric string, open int) {
	m.conflicts.WithLabelValues(fabric).Set(float64(open))
}

// Request counts a request that was sent. route is a template ("/repos/{owner}/{repo}/git/refs/{ref}"), so that its
// values stay few; status 0 is an answer that never came.
func (m *Metrics) Request(host, method, route string, status int) {
	m.requests.WithLabelValues(host, method, route, strconv.Itoa(status)).Inc()
}
