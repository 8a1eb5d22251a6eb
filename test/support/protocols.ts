import assert from "node:assert/strict";

import type { RawAnswer, RawRequest } from "./raw-request.ts";

const form = { "content-type": "application/x-www-form-urlencoded" };
export const json = { "content-type": "application/x-amz-json-1.1" };
export const ecsTarget = (operation: string): Record<string, string> => ({
  ...json,
  "x-amz-target": `AmazonEC2ContainerServiceV20141113.${operation}`,
});

/** A request that is answered with 200, for each protocol. */
export const good = {
  awsJson1_1: { service: "ecs", headers: ecsTarget("ListClusters"), body: "{}" },
  restJson1: {
    service: "elasticfilesystem",
    method: "GET",
    target: "/2015-02-01/file-systems?MaxItems=5",
  },
  awsQuery: {
    service: "iam",
    headers: form,
    body: "Action=ListRoles&Version=2010-05-08",
  },
  ec2Query: {
    service: "ec2",
    headers: form,
    body: "Action=DescribeVpcs&Version=2016-11-15",
  },
} as const satisfies Record<string, RawRequest>;
export type Protocol = keyof typeof good;
export const protocols = Object.keys(good) as Protocol[];

/** The code and the message where an SDK of that protocol looks for them. */
export function errorOf(protocol: Protocol, answer: RawAnswer): { code: string; message: string } {
  const { body, headers } = answer;
  const requestId = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
  assert.match(headers.get("x-amzn-requestid") ?? "", requestId);
  switch (protocol) {
    case "awsJson1_1": {
      assert.equal(headers.get("content-type"), "application/x-amz-json-1.1");
      const { __type, message } = JSON.parse(body) as { __type: string; message: string };
      return { code: __type, message };
    }
    case "restJson1": {
      assert.equal(headers.get("content-type"), "application/json");
      const error = JSON.parse(body) as { ErrorCode: string; Message: string };
      const code = headers.get("x-amzn-errortype") ?? "";
      assert.equal(error.ErrorCode, code);
      return { code, message: error.Message };
    }
    case "awsQuery": {
      assert.match(headers.get("content-type") ?? "", /^text\/xml/);
      const found =
        /<ErrorResponse xmlns="https:\/\/\S+\/"><Error><Type>(?:Sender|Receiver)<\/Type><Code>([^<]+)<\/Code><Message>([^<]*)<\/Message><\/Error><RequestId>[-0-9a-f]{36}<\/RequestId><\/ErrorResponse>$/.exec(
          body,
        );
      return { code: found?.[1] ?? body, message: found?.[2] ?? "" };
    }
    case "ec2Query": {
      assert.match(headers.get("content-type") ?? "", /^text\/xml/);
      const found =
        /<Response><Errors><Error><Code>([^<]+)<\/Code><Message>([^<]*)<\/Message><\/Error><\/Errors><RequestID>[-0-9a-f]{36}<\/RequestID><\/Response>$/.exec(
          body,
        );
      return { code: found?.[1] ?? body, message: found?.[2] ?? "" };
    }
  }
}
