import type { OtlpConfig, Signal } from '../config.ts';
import type { OtlpClient } from './otlp.ts';
import { GrpcClient } from './otlp-grpc.ts';
import { HttpClient } from './otlp-http.ts';

/** @throws the system's error when a certificate or key cannot be read, OpenSSL's when it cannot be used */
export function createOtlpClient(signal: Signal, config: OtlpConfig): OtlpClient {
  switch (config.protocol) {
    case 'grpc':
      return new GrpcClient(signal, config);
    case 'http/protobuf':
      return new HttpClient(signal, config);
    default:
      return config.protocol satisfies never;
  }
}
