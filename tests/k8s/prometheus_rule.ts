/**
 * A PrometheusRule, as the Prometheus operator defines it: its Go types `PrometheusRule`, `RuleGroup` and `Rule`
 * (monitoring.coreos.com/v1, version 0.80), with what Prometheus 2.42 knows of them.
 *
 * @module
 */
import type { IConfigMap } from "kubernetes-models/v1/ConfigMap";

/** Prometheus' durations, as `15m`. */
type Duration = `${number}${"s" | "m" | "h" | "d" | "w"}`;

/** An alert. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: Duration;
  readonly keep_firing_for?: Duration;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A series that is made of others. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** The document. */
export interface IPrometheusRule {
  readonly apiVersion: "monitoring.coreos.com/v1";
  readonly kind: "PrometheusRule";
  readonly metadata: NonNullable<IConfigMap["metadata"]>;
  readonly spec: {
    readonly groups: readonly {
      readonly name: string;
      readonly interval?: Duration;
      readonly limit?: number;
      readonly rules: readonly (AlertRule | RecordingRule)[];
    }[];
  };
}
