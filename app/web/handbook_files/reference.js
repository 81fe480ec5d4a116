SwaggerUIBundle({ url: "../openapi.json", dom_id: "#reference", validatorUrl: null, deepLinking: false });
